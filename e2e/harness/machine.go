package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// HostAddress is where a Machine finds the loopback of the machine it runs on.
const HostAddress = "10.0.2.2"

// Machine is an emulated arm64 computer with a serial console.
type Machine struct {
	cmd     *exec.Cmd
	out     output
	console io.WriteCloser
	asked   int
	exited  chan struct{}
}

// StartMachine boots what scripts/boot-test.sh put into image (vmlinuz,
// initrd.img, root.ext4), with card as the second disk. What it writes to its
// root file system is forgotten; what it writes to the card stays.
func StartMachine(image, card string) (*Machine, error) {
	m := &Machine{exited: make(chan struct{})}
	file := func(name string) string { return filepath.Join(image, name) }
	m.cmd = exec.Command("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
		"-nographic", "-no-reboot", "-monitor", "none", "-serial", "stdio",
		"-kernel", file("vmlinuz"), "-initrd", file("initrd.img"), "-append", "root=/dev/vda rw console=ttyAMA0 panic=-1",
		"-drive", "if=none,id=root,format=raw,snapshot=on,file="+file("root.ext4"), "-device", "virtio-blk-pci,drive=root",
		"-drive", "if=none,id=card,format=raw,file="+card, "-device", "virtio-blk-pci,drive=card",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=")
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if m.console, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.cmd.Wait() // how it ended is told by its console
		close(m.exited)
	}()
	return m, nil
}

// While is ctx until the machine is off.
func (m *Machine) While(ctx context.Context) context.Context {
	on, off := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-m.exited:
			off(errors.New("the machine is off"))
		case <-ctx.Done():
		}
	}()
	return on
}

// Console is everything that the machine said.
func (m *Machine) Console() string { return strings.ReplaceAll(m.out.text(), "\r", "") }

// Ask types a command into root's shell on the console, and gives what it
// printed and its exit status.
func (m *Machine) Ask(ctx context.Context, command string) (answer string, status int, err error) {
	if err := m.await(ctx, "a shell on the console", regexp.MustCompile(`root@\S+:~# `), nil); err != nil {
		return "", 0, err
	}
	m.asked++
	// The console shows what is typed too: the marks come from printf, so that
	// they stand in the answer only.
	if _, err := fmt.Fprintf(m.console, "printf '\\n<%%d\\n' %d; %s; printf '\\n%%d>%%d\\n' %d $?\n", m.asked, command, m.asked); err != nil {
		return "", 0, err
	}
	whole := regexp.MustCompile(fmt.Sprintf(`(?s)\n<%d\n(.*)\n%d>(\d+)\n`, m.asked, m.asked))
	var match []string
	if err := m.await(ctx, "the answer of: "+command, whole, &match); err != nil {
		return "", 0, err
	}
	_, err = fmt.Sscan(match[2], &status)
	return match[1], status, err
}

// await waits until the console's text matches.
func (m *Machine) await(ctx context.Context, what string, pattern *regexp.Regexp, match *[]string) error {
	return Until(ctx, what, func(context.Context) error {
		text := m.Console()
		found := pattern.FindStringSubmatch(text)
		if found == nil {
			return fmt.Errorf("the console shows %d bytes, at last %.200q", len(text), text[max(0, len(text)-200):])
		}
		if match != nil {
			*match = found
		}
		return nil
	})
}

// PowerOff shuts the machine down, as its owner does, and waits for it.
func (m *Machine) PowerOff(ctx context.Context) error {
	if _, err := io.WriteString(m.console, "systemctl poweroff\n"); err != nil {
		return err
	}
	select {
	case <-m.exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the machine does not power off: %w", ctx.Err())
	}
}

// Kill ends the machine at once, and waits.
func (m *Machine) Kill() {
	_ = m.cmd.Process.Kill() // already gone is fine
	<-m.exited
}
