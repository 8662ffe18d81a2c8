package statement

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Each record of an export ends with a seal: the SHA-256 of the seal before it
// and of the record without its own. So a record that was changed, taken out or
// moved is found, also where nothing follows from the changed field.
const sealField = `,"seal":"`

// sealLength is what a seal adds to a record, the closing brace included.
var sealLength = len(sealField) + hex.EncodedLen(sha256.Size) + len(`"}`)

type seal [sha256.Size]byte

func (s seal) next(body []byte) seal {
	h := sha256.New()
	h.Write(s[:])
	h.Write(body)
	return seal(h.Sum(nil))
}

// sealer writes records, one a line, each sealed.
type sealer struct {
	out  io.Writer
	last seal
}

func (w *sealer) write(record any) error {
	body, err := json.Marshal(record)
	if err != nil {
		return err
	}
	body = body[:len(body)-1] // the brace comes after the seal
	w.last = w.last.next(body)
	_, err = fmt.Fprintf(w.out, "%s%s%x\"}\n", body, sealField, w.last)
	return err
}

// unseal gives the seal that a line carries; false: it has none, or that does
// not follow from the line and the seal before it.
func unseal(line []byte, before seal) (own seal, sound bool) {
	at := len(line) - sealLength
	if at < 0 || !bytes.HasPrefix(line[at:], []byte(sealField)) {
		return before, false
	}
	text := line[at+len(sealField) : len(line)-len(`"}`)]
	if _, err := hex.Decode(own[:], text); err != nil {
		return before, false
	}
	return own, own == before.next(line[:at])
}
