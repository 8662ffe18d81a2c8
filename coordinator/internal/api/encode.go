package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// jsonAppender is a body that writes itself as JSON, where going through its
// fields anew for each answer would cost more than all else.
type jsonAppender interface {
	appendJSON(to []byte) ([]byte, error)
}

// maxKeptBuffer bounds what one large answer leaves behind.
const maxKeptBuffer = 256 << 10

// jsonFormat reads as huma does. An answer is written in one piece, whose
// length is told, instead of in chunks.
func jsonFormat() huma.Format {
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	return huma.Format{
		Unmarshal: huma.DefaultJSONFormat.Unmarshal,
		Marshal: func(w io.Writer, v any) error {
			buffer := buffers.Get().(*bytes.Buffer)
			buffer.Reset()
			defer func() {
				if buffer.Cap() <= maxKeptBuffer {
					buffers.Put(buffer)
				}
			}()
			if err := encode(buffer, v); err != nil {
				return err
			}
			if answer, ok := w.(http.ResponseWriter); ok {
				answer.Header().Set("Content-Length", strconv.Itoa(buffer.Len()))
			}
			_, err := w.Write(buffer.Bytes())
			return err
		},
	}
}

func encode(to *bytes.Buffer, v any) error {
	if a, ok := v.(jsonAppender); ok {
		b, err := a.appendJSON(to.AvailableBuffer())
		if err != nil {
			return err
		}
		to.Write(b)
		return to.WriteByte('\n')
	}
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
