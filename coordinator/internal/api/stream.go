package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
)

const (
	heartbeat = ": still here\n\n"

	// A reader whose connection takes nothing for so long is gone.
	streamWriteTimeout = 10 * time.Second
)

// Why a stream ended, beyond what its listener and its connection say.
var (
	errCredentialEnded  = errors.New("the credential has ended")
	errConnectionClosed = errors.New("the reader went away")
)

// stream is one open stream of events. It runs in its request's goroutine, so
// whoever reads slowly holds up nobody else.
type stream struct {
	server   *server
	writer   http.ResponseWriter
	request  *http.Request
	listener *event.Listener
	checked  time.Time // when the credential was last found good
}

// run writes until the reader, the credential or the feed ends, and says which.
func (st *stream) run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if until := callOf(ctx).principal.Until; !until.IsZero() {
		timer := time.AfterFunc(until.Sub(st.server.Now()), func() { end(errCredentialEnded) })
		defer timer.Stop()
	}
	if err := st.open(); err != nil {
		return err
	}
	st.checked = time.Now()
	for {
		wait, stop := context.WithTimeout(ctx, st.server.heartbeat)
		m, err := st.listener.Next(wait)
		stop()
		switch {
		case errors.Is(context.Cause(ctx), errCredentialEnded):
			return errCredentialEnded
		case ctx.Err() != nil:
			return errConnectionClosed
		case err == nil:
			err = st.message(m)
		case errors.Is(err, context.DeadlineExceeded):
			err = st.write([]byte(heartbeat))
		}
		if err == nil && time.Since(st.checked) >= st.server.heartbeat {
			err = st.check(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// open lifts the time limits of an ordinary request and tells where the stream
// begins, so that a reader who is cut off before the first event misses none.
func (st *stream) open() error {
	h := st.writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a compressing proxy would hold events back
	h.Set("X-Accel-Buffering", "no")
	if err := http.NewResponseController(st.writer).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	st.writer.WriteHeader(http.StatusOK)
	start := "retry: 2000\nid: " + strconv.FormatInt(st.listener.Since, 10) + "\n"
	if st.listener.Lost {
		start += "event: reset\ndata: {\"v\":1,\"reason\":\"events since your last one are not kept any more; read the state anew\"}\n"
	}
	return st.write([]byte(start + "\n"))
}

func (st *stream) message(m event.Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return st.write(frame(m.Kind, m.No, body))
}

// frame is one event of a stream; body has no line breaks.
func frame(kind event.Kind, no int64, body []byte) []byte {
	var b []byte
	if no != 0 {
		b = append(strconv.AppendInt(append(b, "id: "...), no, 10), '\n')
	}
	b = append(append(b, "event: "...), kind...)
	b = append(append(b, "\ndata: "...), body...)
	return append(b, "\n\n"...)
}

// write sends at once. The limit is lifted afterwards: over HTTP/2 it would
// end the stream also while there is nothing to write.
func (st *stream) write(text []byte) error {
	control := http.NewResponseController(st.writer)
	if err := control.SetWriteDeadline(time.Now().Add(streamWriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := st.writer.Write(text); err != nil {
		return err
	}
	if err := control.Flush(); err != nil {
		return err
	}
	if err := control.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// check looks at the credential again: a revoked one ends the stream. While
// the database cannot say, the stream goes on until the credential's own end.
func (st *stream) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, st.server.Timeout)
	defer cancel()
	was := callOf(ctx).principal
	now, err := st.server.authenticate(ctx, st.request)
	if err == nil {
		now, err = st.server.Access.Recheck(ctx, now)
	}
	switch {
	case err == nil && slices.Equal(now.NodeIDs, was.NodeIDs):
		st.checked = time.Now()
	case err == nil, fault.As(err).Code.Kind == fault.Unauthorized, fault.As(err).Code.Kind == fault.Denied:
		return errCredentialEnded
	}
	return nil
}
