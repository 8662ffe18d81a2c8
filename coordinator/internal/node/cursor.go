package node

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// cursor is the last row of a page: its sort key as Postgres writes it, and
// its number, which tells equal keys apart.
type cursor struct {
	key    string
	nodeNo int32
}

// sortKey is what a row is ordered by, in the column's own type.
type sortKey struct {
	at     time.Time
	number int64
	word   string
}

// dest is where a column of this kind is scanned to.
func (k *sortKey) dest(kind string) any {
	switch kind {
	case "timestamptz":
		return &k.at
	case "bigint":
		return &k.number
	}
	return &k.word
}

// text is the key as Postgres reads it.
func (k *sortKey) text(kind string) string {
	switch kind {
	case "timestamptz":
		return k.at.UTC().Format(timeFormat)
	case "bigint":
		return strconv.FormatInt(k.number, 10)
	}
	return k.word
}

// timeFormat is a timestamptz in the server's ISO style, in UTC.
const timeFormat = "2006-01-02 15:04:05.999999+00"

// encodeCursor names the ordering too: a place in one is none in another.
func encodeCursor(ordering, key string, nodeNo int32) string {
	return base64.RawURLEncoding.EncodeToString([]byte(ordering + " " + strconv.Itoa(int(nodeNo)) + " " + key))
}

// decodeCursor refuses a cursor of another ordering, and what would make
// Postgres fail to read the key as kind.
func decodeCursor(s, ordering, kind string) (*cursor, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, false
	}
	place, ok := strings.CutPrefix(string(raw), ordering+" ")
	if !ok {
		return nil, false
	}
	number, key, ok := strings.Cut(place, " ")
	no, err := strconv.ParseInt(number, 10, 32)
	if !ok || err != nil || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return nil, false
	}
	switch kind {
	case "bigint":
		_, err = strconv.ParseInt(key, 10, 64)
	case "timestamptz":
		key, err = postgresTime(key)
	}
	return &cursor{key: key, nodeNo: int32(no)}, err == nil
}

// postgresTime reads a timestamptz in the server's ISO style, whose offset has
// minutes only where the zone needs them, and gives it in UTC: Go takes years,
// offsets and commas that the server refuses.
func postgresTime(s string) (string, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", s)
	if err != nil {
		t, err = time.Parse("2006-01-02 15:04:05.999999-07:00", s)
	}
	if t = t.UTC(); err == nil && t.Year() < 1 {
		err = errors.New("before the year 1")
	}
	return t.Format(timeFormat), err
}
