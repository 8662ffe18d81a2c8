package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"lucid.internal/shared/wire"
)

// A segment is a file of records, written once and never changed. Its name
// tells what is in it, so that nothing has to be read before it is sent:
// NUMBER-MESSAGES-SAMPLES.spool.
type segment struct {
	number   uint64 // rises; the oldest has the lowest
	messages int
	samples  int
	bytes    int64
}

const segmentPattern = "%016x-%d-%d.spool"

func (s segment) name() string {
	return fmt.Sprintf(segmentPattern, s.number, s.messages, s.samples)
}

// parseSegment reads a segment's name.
func parseSegment(name string, size int64) (segment, bool) {
	s := segment{bytes: size}
	n, err := fmt.Sscanf(name, segmentPattern, &s.number, &s.messages, &s.samples)
	return s, err == nil && n == 3 && s.messages >= 0 && s.samples >= 0 && s.name() == name
}

// folder is where segments lie: DIR/NODE_ID. What was measured as one node is
// never sent as another.
type folder struct {
	root    *os.Root // follows no link that leads out of it
	written *atomic.Int64
}

// openFolder makes the folder when it is missing and lists what is in it,
// oldest first.
func openFolder(dir, nodeID string) (folder, []segment, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folder{}, nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return folder{}, nil, err
	}
	if !info.IsDir() {
		return folder{}, nil, fmt.Errorf("%s is a link or a file, not a folder: remove it", dir)
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return folder{}, nil, err
	}
	defer parent.Close()
	if err := parent.Mkdir(nodeID, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folder{}, nil, err
	}
	if info, err := parent.Lstat(nodeID); err != nil || !info.IsDir() {
		return folder{}, nil, errors.Join(err, fmt.Errorf("%s is a link or a file, not a folder: remove it", filepath.Join(dir, nodeID)))
	}
	forgetOthers(parent, nodeID)
	root, err := parent.OpenRoot(nodeID)
	if err != nil {
		return folder{}, nil, err
	}
	f := folder{root, new(atomic.Int64)}
	segments, err := f.list()
	if err != nil {
		root.Close()
		return folder{}, nil, err
	}
	return f, segments, nil
}

// forgetOthers deletes what waits in the name of nodes that this machine was
// before: nobody can take it any more. A disk that cannot be written keeps it,
// and nobody sends it.
func forgetOthers(parent *os.Root, nodeID string) {
	others, _ := fs.ReadDir(parent.FS(), ".")
	for _, other := range others {
		if name := other.Name(); name != nodeID && wire.ValidNodeID(name) {
			_ = parent.RemoveAll(name)
		}
	}
}

func (f folder) list() ([]segment, error) {
	d, err := f.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var found []segment
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if s, ok := parseSegment(e.Name(), info.Size()); ok {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b segment) int { return strings.Compare(a.name(), b.name()) })
	return found, nil
}

// write stores records as a segment, durably when it returns nil. A write
// that fails half-way leaves nothing if the disk lets it be removed.
func (f folder) write(s segment, content []byte) (err error) {
	file, err := f.root.OpenFile(s.name(), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	n, err := file.Write(content)
	f.written.Add(int64(n))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, f.root.Remove(s.name()))
	}
	d, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read gives the segment's records that are intact.
func (f folder) read(s segment) ([]record, error) {
	content, err := f.root.ReadFile(s.name())
	return intact(content), err
}

// remove deletes a segment; one that is gone already is no error.
func (f folder) remove(s segment) error {
	if err := f.root.Remove(s.name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
