package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"lucid.internal/coordinator/internal/fault"
)

// All that is wrong with a request is told in one answer. Three look at it:
// enter finds query parameters that the operation does not know, huma finds
// what breaks the schema, and an input whose noun has rules that no schema can
// tell asks the noun in its method Resolve, which huma calls in any case. What
// they find comes together in faultOf.

// complaint is what a noun's rules have against a field of an input.
type complaint struct {
	in    string // body, or what of it the noun is asked about, or query
	field fault.Field
	code  fault.Code
}

func (c complaint) Error() string { return c.field.Name + ": " + c.field.Reason }

// ErrorDetail is how huma hands a complaint on; the code goes along as value.
func (c complaint) ErrorDetail() *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: c.in + "." + c.field.Name, Message: c.field.Reason, Value: c.code}
}

// complaints are the bad fields that a noun names. An error of another kind is
// not the input's: it comes again when the operation does its work.
func complaints(in string, err error) []error {
	f, is := errors.AsType[*fault.Error](err)
	if !is || f.Code.Kind != fault.Invalid {
		return nil
	}
	list := make([]error, len(f.Fields))
	for i, field := range f.Fields {
		list[i] = complaint{in, field, f.Code}
	}
	return list
}

// serverOf is the server that an input came to, with the stores that know the
// rules.
func serverOf(h huma.Context) *server { return callOf(h.Context()).server }

// queryNames are the query parameters that an input takes.
func queryNames(input reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(input) {
		if tag, is := f.Tag.Lookup("query"); is {
			name, _, _ := strings.Cut(tag, ",")
			names = append(names, name)
		}
	}
	return names
}

// unknownQuery is what of a query nobody asked for: a misspelt filter must not
// select everything.
func unknownQuery(given url.Values, known []string) (list []*huma.ErrorDetail) {
	for name := range given {
		if !slices.Contains(known, name) {
			list = append(list, &huma.ErrorDetail{Location: "query." + name, Message: "unknown query parameter"})
		}
	}
	return list
}

// faultOf keeps huma's status, which has been decided when transform runs.
func faultOf(status int, found []*huma.ErrorDetail) error {
	switch status {
	case http.StatusUnprocessableEntity:
		fields, code := badFields(found)
		f := fault.New(code, "some fields are not allowed as they are; see details").WithFields(fields...)
		if code != fault.Validation {
			f.Message = meaning(code) + "; see details"
		}
		if hidden := len(fields) - mostDetails; hidden > 0 {
			f.Fields = f.Fields[:mostDetails]
			f.Message += fmt.Sprintf(", which leaves out %d more", hidden)
		}
		return f
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		f := fault.New(fault.BodyMalformed, "the body is missing or is not JSON")
		if status == http.StatusUnsupportedMediaType {
			f = fault.New(fault.MediaType, "the body must be application/json")
		}
		// Nothing was read, so the noun has complained of nothing.
		fields, _ := badFields(slices.DeleteFunc(slices.Clone(found), isComplaint))
		return f.WithFields(fields...)
	}
	return fmt.Errorf("status %d, which no operation answers with", status)
}

// mostDetails bounds an answer: a body of a megabyte could be wrong in half a
// million places.
const mostDetails = 1000

func isComplaint(e *huma.ErrorDetail) bool {
	_, is := e.Value.(fault.Code)
	return is
}

// badFields are all bad fields, each once and in order of their places, and the
// code that tells them: a noun's own, when it has one for all of them.
func badFields(found []*huma.ErrorDetail) (fields []fault.Field, code fault.Code) {
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b *huma.ErrorDetail) int { return cmp.Compare(placeOf(a), placeOf(b)) })
	refused := refusedNames(found)
	last := ""
	for _, e := range found {
		place, own := placeOf(e), fault.Validation
		if c, is := e.Value.(fault.Code); is {
			if own = c; refused.hold(nameOf(place)) {
				continue
			}
		}
		if place == last {
			continue
		}
		if code != own && len(fields) > 0 {
			own = fault.Validation
		}
		last, code, fields = place, own, append(fields, fault.Field{Name: nameOf(place), Reason: reasonOf(e)})
	}
	return fields, cmp.Or(code, fault.Validation)
}

// refused are the fields that the schema refuses, and whether nothing in them
// could be read. A noun that sees nothing there complains of what it misses.
type refused map[string]bool

func refusedNames(found []*huma.ErrorDetail) refused {
	r := refused{}
	for _, e := range found {
		if name := nameOf(placeOf(e)); !isComplaint(e) {
			r[name] = r[name] || e.Message == validation.MsgExpectedObject || e.Message == validation.MsgExpectedArray
		}
	}
	return r
}

// hold reports whether the schema refuses the field already, or what it is in.
func (r refused) hold(name string) bool {
	if _, is := r[name]; is || r["body"] {
		return true
	}
	for at := range len(name) {
		if (name[at] == '.' || name[at] == '[') && r[name[:at]] {
			return true
		}
	}
	return false
}

// lacking reads huma's sentence about a field that is not there, which it says
// of the object that lacks it.
func lacking(e *huma.ErrorDetail) (name string, is bool) {
	missing, present, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	rest, begins := strings.CutPrefix(e.Message, missing)
	name, ends := strings.CutSuffix(rest, present)
	return name, begins && ends
}

// placeOf is where a bad field stands: body.name, query.limit.
func placeOf(e *huma.ErrorDetail) string {
	if name, is := lacking(e); is {
		return e.Location + "." + name
	}
	return e.Location
}

func reasonOf(e *huma.ErrorDetail) string {
	if _, is := lacking(e); is {
		return "is missing"
	}
	return e.Message
}

// nameOf is the field as the caller wrote it: body.name and query.limit are
// name and limit. Values are never repeated.
func nameOf(place string) string {
	_, inner, found := strings.Cut(place, ".")
	if !found {
		return place
	}
	return inner
}
