package db

import (
	"fmt"
	"strings"
)

// Where gathers the conditions of a list, which stand behind a first one: what
// they compare with goes into placeholders only. Args may hold arguments of the
// statement already.
type Where struct {
	Text string // " AND ..." for each condition
	Args []any
}

// Add adds a condition, with $%d where its argument belongs.
func (w *Where) Add(condition string, arg any) {
	w.Args = append(w.Args, arg)
	w.Text += fmt.Sprintf(" AND "+condition, len(w.Args))
}

// Like keeps what LIKE gives a meaning from having one.
func Like(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
