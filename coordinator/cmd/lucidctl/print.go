package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// column is one value of a T. A wide one stands in a table only with -o wide;
// every column stands in CSV and in the view of a single thing.
type column[T any] struct {
	name string
	wide bool
	of   func(T) any
}

// printer is the one way in which data leaves the program.
type printer struct {
	format string
	terminal
}

// list prints rows, and a note when there are none.
func list[T any](p *printer, rows []T, columns []column[T]) error {
	switch p.format {
	case "json":
		return p.json(rows)
	case "jsonl":
		for _, row := range rows {
			if err := p.jsonLine(row); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return printCSV(p, rows, columns, true)
	}
	if len(rows) == 0 {
		fmt.Fprintln(p.notes, "none")
		return nil
	}
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	shown := p.shown(len(columns), func(i int) bool { return columns[i].wide })
	for i, c := range shown {
		fmt.Fprint(table, between(i), title(columns[c].name))
	}
	fmt.Fprintln(table)
	for _, row := range rows {
		for i, c := range shown {
			fmt.Fprint(table, between(i), p.text(columns[c].of(row), p.format == "wide"))
		}
		fmt.Fprintln(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	head, rest, _ := strings.Cut(text.String(), "\n")
	_, err := io.WriteString(p.out, p.bold(strings.TrimRight(head, " "))+"\n"+rest)
	return err
}

// show prints one thing, a line each column.
func show[T any](p *printer, thing T, columns []column[T]) error {
	switch p.format {
	case "json":
		return p.json(thing)
	case "jsonl":
		return p.jsonLine(thing)
	case "csv":
		return printCSV(p, []T{thing}, columns, true)
	}
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(table, "%s\t%s\n", title(c.name), p.text(c.of(thing), true))
	}
	return table.Flush()
}

// follow gives a function that prints rows as they come; each is out at once.
func follow[T any](p *printer, columns []column[T]) func(T) error {
	first := true
	return func(row T) error {
		defer func() { first = false }()
		switch p.format {
		case "json", "jsonl":
			return p.jsonLine(row)
		case "csv":
			return printCSV(p, []T{row}, columns, first)
		}
		var cells []string
		for _, c := range columns {
			if !c.wide || p.format == "wide" {
				cells = append(cells, p.text(c.of(row), true))
			}
		}
		_, err := fmt.Fprintln(p.out, strings.Join(cells, "  "))
		return err
	}
}

func printCSV[T any](p *printer, rows []T, columns []column[T], header bool) error {
	w := csv.NewWriter(p.out)
	record := make([]string, len(columns))
	if header {
		for i, c := range columns {
			record[i] = c.name
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	for _, row := range rows {
		for i, c := range columns {
			record[i] = plain(c.of(row))
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (p *printer) json(value any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

func (p *printer) jsonLine(value any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// shown are the numbers of the columns that a table has.
func (p *printer) shown(count int, wide func(int) bool) []int {
	var list []int
	for i := range count {
		if p.format == "wide" || !wide(i) {
			list = append(list, i)
		}
	}
	return list
}

func (p *printer) bold(text string) string {
	if !p.color {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// title is a column's name for people, who read the unit beside each size.
func title(name string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSuffix(name, "_bytes"), "_", " "))
}

// between is what stands before the i-th cell of a line.
func between(i int) string {
	if i == 0 {
		return ""
	}
	return "\t"
}
