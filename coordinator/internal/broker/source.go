package broker

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// readAhead is how much one read may bring: most of a window of messages.
const readAhead = 16 << 10

// buffers are shared, because most connections are silent most of the time.
var buffers = sync.Pool{New: func() any { return new([readAhead]byte) }}

// source reads from a connection, which holds a buffer only while something of
// it is unread.
type source struct {
	conn   net.Conn
	socket syscall.RawConn // nil with TLS
	buffer *[readAhead]byte
	unread []byte // of the buffer
	held   *held  // of the session; nil before there is one

	ready  func(uintptr) bool // readSocket, made once
	n      int                // what it did
	failed error
}

func (s *source) open(c net.Conn) {
	s.conn = c
	if tcp, ok := c.(*net.TCPConn); ok {
		s.socket, _ = tcp.SyscallConn() // which never fails
		s.ready = s.readSocket
	}
}

// more waits for bytes, and adds them to what is unread. There must be room.
func (s *source) more() error {
	if s.buffer != nil && len(s.unread) == 0 {
		s.release()
	}
	if s.buffer == nil {
		return s.first()
	}
	kept := copy(s.buffer[:], s.unread)
	n, err := s.read(s.buffer[kept:])
	s.unread = s.buffer[:kept+n]
	return whole(n, err)
}

// first waits without a buffer.
func (s *source) first() error {
	if s.socket == nil { // with one byte: TLS has decrypted more by then
		var one [1]byte
		n, err := s.read(one[:])
		if n == 0 {
			return whole(n, err)
		}
		s.buffer = buffers.Get().(*[readAhead]byte)
		s.unread = append(s.buffer[:0], one[0])
		return nil
	}
	since := s.held.waiting()
	err := s.socket.Read(s.ready)
	s.held.waited(since)
	if err != nil {
		return err
	}
	return whole(s.n, s.failed)
}

// read waits for the client.
func (s *source) read(p []byte) (int, error) {
	since := s.held.waiting()
	n, err := s.conn.Read(p)
	s.held.waited(since)
	return n, err
}

// readSocket reports whether the socket had something to say.
func (s *source) readSocket(fd uintptr) bool {
	buffer := buffers.Get().(*[readAhead]byte)
	for {
		s.n, s.failed = syscall.Read(int(fd), buffer[:])
		if s.failed != syscall.EINTR {
			break
		}
	}
	if s.n > 0 {
		s.buffer, s.unread = buffer, buffer[:s.n]
		return true
	}
	buffers.Put(buffer)
	return s.failed != syscall.EAGAIN
}

func whole(n int, err error) error {
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// Read gives what is unread, or what comes next.
func (s *source) Read(p []byte) (int, error) {
	if len(s.unread) == 0 {
		s.release()
		return s.read(p)
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// release gives the buffer back.
func (s *source) release() {
	if s.buffer != nil {
		buffers.Put(s.buffer)
		s.buffer, s.unread = nil, nil
	}
}
