package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"lucid.internal/coordinator/client"
)

// refusal is an answer of the API that says no.
type refusal struct {
	status int
	detail client.Detail
}

// Error is what a person needs: what happened, which fields, what to quote.
func (r refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", cmp.Or(r.detail.Message, http.StatusText(r.status)), cmp.Or(r.detail.Code, fmt.Sprint(r.status)))
	for _, f := range r.detail.Details {
		fmt.Fprintf(&b, "\n  %s: %s", f.Field, f.Reason)
	}
	if r.status >= http.StatusInternalServerError && r.detail.RequestId != "" {
		fmt.Fprintf(&b, "\n  request id %s", r.detail.RequestId)
	}
	return b.String()
}

// notAllowed is a lack of a credential, found before asking.
type notAllowed struct{ error }

func exitCode(err error) int {
	if r, is := errors.AsType[refusal](err); is {
		switch r.status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitNotAllowed
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
			return exitUsage
		}
		return exitFailed
	}
	if _, is := errors.AsType[notAllowed](err); is {
		return exitNotAllowed
	}
	if _, is := errors.AsType[wrongUse](err); is {
		return exitUsage
	}
	return exitFailed
}

// answer reads a response into T, and makes an error of a refusal.
func answer[T any](response *http.Response, err error) (T, error) {
	var value T
	if err != nil {
		return value, err
	}
	defer response.Body.Close()
	if err := refused(response); err != nil {
		return value, err
	}
	if err := json.NewDecoder(response.Body).Decode(&value); err != nil {
		return value, fmt.Errorf("the answer could not be read: %w", err)
	}
	return value, nil
}

// showAnswer makes one call, with the caller's credential, and prints what it
// answers with.
func showAnswer[T any](a *app, call func(*client.Client) (*http.Response, error), columns []column[T]) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	value, err := answer[T](call(api))
	if err != nil {
		return err
	}
	return show(a.printer, value, columns)
}

// done is answer for what answers with nothing.
func done(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return refused(response)
}

// maxProblemBytes is far above any problem of the API.
const maxProblemBytes = 1 << 20

// tlsWanted is what Go's server answers to plain HTTP where it speaks TLS.
const tlsWanted = "Client sent an HTTP request to an HTTPS server"

var errSpeaksTLS = errors.New("speaks TLS")

func refused(response *http.Response) error {
	if response.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil {
		return err
	}
	if bytes.Contains(body, []byte(tlsWanted)) {
		return fmt.Errorf("%s %w", response.Request.URL.Host, errSpeaksTLS)
	}
	var p client.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Error.Code == "" {
		return fmt.Errorf("%s answered %s, which is not the API's; is --url right?", response.Request.URL.Host, response.Status)
	}
	return refusal{response.StatusCode, p.Error}
}

// paging is what every long list takes.
type paging struct {
	Limit int64 `default:"100" help:"Rows at most."`
	All   bool  `help:"All rows, however many."`
}

// mostPerPage is what the API gives at once.
const mostPerPage = 100

// place is where a list stands: what page fills in of its answer.
type place struct {
	page   *int64
	cursor *string
	limit  *int64
}

// gather reads pages until there are enough rows, and notes when more follow.
// page answers with its rows, the next cursor, and whether more follow.
func gather[T any](a *app, p paging, page func(place) ([]T, *string, bool, error)) ([]T, error) {
	if p.Limit < 1 {
		return nil, usage("--limit must be at least 1")
	}
	rows := []T{}
	number := int64(1)
	var cursor *string
	for {
		size := int64(mostPerPage)
		if !p.All {
			// Pages of one size: the number of a page means nothing otherwise.
			size = min(p.Limit, mostPerPage)
		}
		at := place{limit: &size, cursor: cursor}
		if cursor == nil {
			at.page = &number
		}
		got, next, more, err := page(at)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
		if !p.All && int64(len(rows)) >= p.Limit {
			if more = more || int64(len(rows)) > p.Limit; more {
				a.note("only the first %d are shown; --all shows all, --limit more", p.Limit)
			}
			return rows[:p.Limit], nil
		}
		if !more || len(got) == 0 {
			return rows, nil
		}
		cursor, number = next, number+1
	}
}
