package collect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// A question to the firmware of a Raspberry Pi is a property message, as the
// mailbox interface describes it (raspberrypi/firmware wiki, "Mailbox property
// interface") and vcgencmd sends it (raspberrypi/utils):
//
//	word  what, little endian
//	0     bytes of the whole message
//	1     0, in the answer 0x80000000
//	2     tag
//	3     bytes of the tag's value: the text's room
//	4     0
//	5     0, in the answer an error number
//	6     the command's text, in the answer its result, ended by a NUL
//	262   0: no further tag
const (
	gencmdTag   = 0x00030080 // GET_GENCMD_RESULT
	gencmdRoom  = 1024
	gencmdWords = 6 + gencmdRoom/4 + 1
	gencmdText  = 6 * 4 // where the text begins, in bytes
)

// gencmdDevice answers questions and nothing else. /dev/vcio, which older
// kernels have alone, also gives away one-time memory and runs code on the
// GPU: it is never opened.
const gencmdDevice = "dev/vcio_gencmd"

// exchange hands a property message to the firmware, which writes its answer
// into it.
type exchange func(message []byte) error

// ask puts one question and reads its answer.
func ask[T any](do exchange, command string, parse func(answer string) (T, error)) (T, error) {
	var none T
	message := question(command)
	if err := do(message); err != nil {
		return none, fmt.Errorf("firmware, %s: %w", command, err)
	}
	text, err := answer(message)
	if err != nil {
		return none, fmt.Errorf("firmware, %s: %w", command, err)
	}
	value, err := parse(text)
	if err != nil {
		return none, fmt.Errorf("firmware, %s: %w", command, err)
	}
	return value, nil
}

// question is the message that asks for a command's result.
func question(command string) []byte {
	message := make([]byte, gencmdWords*4)
	binary.LittleEndian.PutUint32(message[0:], gencmdWords*4)
	binary.LittleEndian.PutUint32(message[8:], gencmdTag)
	binary.LittleEndian.PutUint32(message[12:], gencmdRoom)
	copy(message[gencmdText:gencmdText+gencmdRoom-1], command)
	return message
}

// errRefused is the firmware's own answer to what it does not know.
var errRefused = errors.New("refused with error")

// answer reads the message that came back.
func answer(message []byte) (string, error) {
	if state := binary.LittleEndian.Uint32(message[4:]); state != 0x80000000 {
		return "", fmt.Errorf("not answered (state %#x)", state)
	}
	if code := binary.LittleEndian.Uint32(message[20:]); code != 0 {
		return "", fmt.Errorf("%w %d", errRefused, code)
	}
	text, _, _ := strings.Cut(string(message[gencmdText:gencmdText+gencmdRoom]), "\x00")
	return strings.TrimSpace(text), nil
}

// mailboxCall is _IOWR(100, 0, char *): the size of a pointer is part of it.
const mailboxCall = 3<<30 | unsafe.Sizeof(uintptr(0))<<16 | 100<<8

// openFirmware opens the kernel's device.
func openFirmware(path string) (exchange, func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	do := func(message []byte) error {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), mailboxCall, uintptr(unsafe.Pointer(unsafe.SliceData(message))))
		runtime.KeepAlive(message)
		if errno != 0 {
			return errno
		}
		return nil
	}
	return do, func() { f.Close() }, nil
}
