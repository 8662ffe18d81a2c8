package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/e2e/harness"
)

// Shape of the COPY reference: as many writers as the machine has use for, and
// groups like those of a busy batcher, each its own transaction.
const (
	copyWriters  = 2
	copyGroup    = 4000
	copyMostRows = 500_000
)

// measureCopy writes the rows that the ingest figure stored into the same,
// emptied table again, as the very bytes that Postgres gave for them: nothing
// but COPY is left in the figure.
func measureCopy(ctx context.Context, db harness.Database) (perSecond float64, rows int, err error) {
	groups, rows, err := takeRows(ctx, db)
	if err != nil {
		return 0, 0, err
	}
	work := make(chan []byte, len(groups))
	for _, g := range groups {
		work <- g
	}
	close(work)
	conns := make([]*pgx.Conn, copyWriters)
	for i := range conns {
		if conns[i], err = db.Connect(ctx); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close(ctx)
	}
	errs := make([]error, copyWriters)
	began := time.Now()
	var running sync.WaitGroup
	for i, conn := range conns {
		running.Go(func() { errs[i] = writeGroups(ctx, conn, work) })
	}
	running.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return 0, 0, err
	}
	stored, err := db.Int64(ctx, "SELECT count(*) FROM sample")
	if err == nil && stored != int64(rows) {
		err = fmt.Errorf("%d rows copied, %d in the table", rows, stored)
	}
	return float64(rows) / elapsed.Seconds(), rows, err
}

func writeGroups(ctx context.Context, conn *pgx.Conn, work <-chan []byte) error {
	for group := range work {
		if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(group), "COPY sample FROM STDIN BINARY"); err != nil {
			return err
		}
	}
	return nil
}

// takeRows reads the table, in the order in which it was filled, as COPY's
// binary form, cut into groups, and empties it.
func takeRows(ctx context.Context, db harness.Database) (groups [][]byte, rows int, err error) {
	conn, err := db.Connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close(ctx)
	var all bytes.Buffer
	query := fmt.Sprintf("COPY (SELECT * FROM sample ORDER BY seq LIMIT %d) TO STDOUT BINARY", copyMostRows)
	if _, err := conn.PgConn().CopyTo(ctx, &all, query); err != nil {
		return nil, 0, err
	}
	if groups, rows, err = splitCopy(all.Bytes(), copyGroup); err != nil {
		return nil, 0, err
	}
	_, err = conn.Exec(ctx, "TRUNCATE sample")
	return groups, rows, err
}

// Parts of COPY's binary form.
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// splitCopy cuts a binary COPY into several of at most size rows.
func splitCopy(all []byte, size int) (groups [][]byte, rows int, err error) {
	rest, found := bytes.CutPrefix(all, []byte(copyHeader))
	if !found {
		return nil, 0, errors.New("not the binary form of COPY")
	}
	var group []byte
	for {
		row, last, err := firstRow(rest)
		if err != nil {
			return nil, 0, err
		}
		if !last {
			if group == nil {
				group = []byte(copyHeader)
			}
			group = append(group, row...)
			rest = rest[len(row):]
			rows++
		}
		if group != nil && (last || rows%size == 0) {
			groups = append(groups, append(group, copyTrailer...))
			group = nil
		}
		if last {
			return groups, rows, nil
		}
	}
}

// firstRow gives the bytes of the first row; last is true at the trailer.
func firstRow(b []byte) (row []byte, last bool, err error) {
	if len(b) < 2 {
		return nil, false, io.ErrUnexpectedEOF
	}
	fields := int16(binary.BigEndian.Uint16(b))
	at := 2
	for range max(fields, 0) {
		if len(b) < at+4 {
			return nil, false, io.ErrUnexpectedEOF
		}
		size := int(int32(binary.BigEndian.Uint32(b[at:]))) // -1: null
		if at += 4 + max(size, 0); at > len(b) {
			return nil, false, io.ErrUnexpectedEOF
		}
	}
	return b[:at], fields == -1, nil
}
