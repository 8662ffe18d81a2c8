package api

import (
	"encoding/json"
	"strconv"
)

// PageInput is what every list takes. Inputs that others embed are exported:
// huma looks for parameters in exported fields only.
type PageInput struct {
	Page  int `query:"page" minimum:"1" maximum:"100000" default:"1" doc:"Page number, from 1."`
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Items on a page."`
}

func (p PageInput) offset() int { return (p.Page - 1) * p.Limit }

// before describes a page of a list that is read by pages and counted by nobody.
func (p PageInput) before(more bool) pagination {
	return pagination{Page: &p.Page, Limit: p.Limit, HasNext: more, HasPrev: p.Page > 1}
}

// CursorInput is what lists take that can grow long: a page by number, or what
// follows a cursor, which costs the same however deep it stands.
type CursorInput struct {
	PageInput
	Cursor string `query:"cursor" maxLength:"512" pattern:"^[A-Za-z0-9_=-]*$" patternDescription:"next_cursor of the page before" doc:"next_cursor of the page before, instead of page; filters, sort and order must stay as they were."`
}

// NumberCursorInput is what lists take that are read by cursors alone, and
// counted by nobody since they only grow: a cursor is the number of an item.
type NumberCursorInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Items on a page."`
	Cursor string `query:"cursor" maxLength:"18" pattern:"^([1-9][0-9]{0,17})?$" patternDescription:"next_cursor of the page before" doc:"next_cursor of the page before; what else was asked for must stay as it was."`
}

// after is the number of the last item of the page before; 0 on the first page.
func (in NumberCursorInput) after() int64 { return number(in.Cursor) }

// number reads a cursor of which the pattern lets only numbers through; 0 where
// none was given.
func number(cursor string) int64 {
	n, _ := strconv.ParseInt(cursor, 10, 64)
	return n
}

// next describes a page of which the last item has this number; 0 on the last page.
func (in NumberCursorInput) next(last int64) pagination {
	where := pagination{Limit: in.Limit, HasNext: last != 0, HasPrev: in.Cursor != ""}
	if last != 0 {
		where.NextCursor = orNil(strconv.FormatInt(last, 10))
	}
	return where
}

// pagination says where in the list a page stands.
type pagination struct {
	Page       *int    `json:"page" minimum:"1" doc:"null when a cursor was given, and in lists without page numbers."`
	Limit      int     `json:"limit"`
	Total      *int    `json:"total" doc:"Items that match, on all pages, counted at most a second ago; null where counting them would take longer than reading the page."`
	TotalPages *int    `json:"total_pages"`
	HasNext    bool    `json:"has_next"`
	HasPrev    bool    `json:"has_prev"`
	NextCursor *string `json:"next_cursor" doc:"Give it as cursor to read on; null on the last page and where a list has no cursors."`
}

// of describes a page out of total items.
func (p PageInput) of(total int) pagination {
	pages := (total + p.Limit - 1) / p.Limit
	return pagination{
		Page: &p.Page, Limit: p.Limit, Total: &total, TotalPages: &pages,
		HasNext: p.offset()+p.Limit < total, HasPrev: p.Page > 1 && total > 0,
	}
}

// of describes a page that next follows; "" on the last one.
func (p CursorInput) of(total int, next string) pagination {
	described := p.PageInput.of(total)
	described.HasNext, described.NextCursor = next != "", orNil(next)
	if p.Cursor != "" {
		described.Page, described.HasPrev = nil, true
	}
	return described
}

// shape maps a noun's rows to what the API shows. It is never nil: an empty
// list is [] in JSON.
func shape[R, S any](rows []R, one func(R) S) []S {
	list := make([]S, len(rows))
	for i, r := range rows {
		list[i] = one(r)
	}
	return list
}

// appendPage writes a page of items that write themselves.
func appendPage[I jsonAppender](to []byte, name string, items []I, where pagination) (_ []byte, err error) {
	to = append(append(append(to, `{"`...), name...), `":[`...)
	for i, item := range items {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = item.appendJSON(to); err != nil {
			return nil, err
		}
	}
	page, err := json.Marshal(where)
	to = append(to, `],"pagination":`...)
	return append(append(to, page...), '}'), err
}
