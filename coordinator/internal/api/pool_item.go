package api

import (
	"bytes"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/pool"
)

// poolItem is a pool as poolBody shows it. Its JSON is made once for as long as
// the pool is remembered.
type poolItem struct {
	text []byte
	err  error
}

func itemOfPool(p *pool.Listed) poolItem { return p.Made(makePoolItem).(poolItem) }

func makePoolItem(p pool.Pool) any {
	var whole bytes.Buffer
	if err := encode(&whole, shapePool(p)); err != nil {
		return poolItem{err: err}
	}
	return poolItem{text: bytes.TrimRight(whole.Bytes(), "\n")}
}

// Schema is poolBody's.
func (poolItem) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[poolBody](), true, "")
}

// MarshalJSON is for the document's example.
func (i poolItem) MarshalJSON() ([]byte, error) { return i.text, i.err }

func (i poolItem) appendJSON(to []byte) ([]byte, error) { return append(to, i.text...), i.err }
