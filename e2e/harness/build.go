package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the two programs, freshly built.
type Binaries struct {
	Coordinator string
	Agent       string
}

// Build compiles both programs into dir the way a release does: static and
// stripped.
func Build(ctx context.Context, dir string) (Binaries, error) {
	root, err := Repository()
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{
		Coordinator: filepath.Join(dir, "lucid-coordinator"),
		Agent:       filepath.Join(dir, "lucid-agent"),
	}
	return b, errors.Join(
		compile(ctx, filepath.Join(root, "coordinator"), "./cmd/lucid-coordinator", b.Coordinator),
		compileAgent(ctx, root, b.Agent))
}

// BuildClient compiles lucidctl into dir.
func BuildClient(ctx context.Context, dir string) error {
	root, err := Repository()
	if err != nil {
		return err
	}
	return compile(ctx, filepath.Join(root, "coordinator"), "./cmd/lucidctl", filepath.Join(dir, "lucidctl"))
}

// BuildAgent compiles the agent for another kind of processor (GOARCH=arm64,
// GOARM=6, ...), as its package does.
func BuildAgent(ctx context.Context, out string, environ ...string) error {
	root, err := Repository()
	if err != nil {
		return err
	}
	return compileAgent(ctx, root, out, environ...)
}

// compileAgent builds the agent with the flags of its releases: without them it
// takes more memory.
func compileAgent(ctx context.Context, root, out string, environ ...string) error {
	module := filepath.Join(root, "agent")
	text, err := os.ReadFile(filepath.Join(module, "build.flags"))
	if err != nil {
		return err
	}
	command := buildCommand(ctx, module, "./cmd/lucid-agent", out, flagsIn(string(text))...)
	command.Env = append(command.Env, environ...)
	return run(command)
}

// flagsIn reads agent/build.flags: a line that begins with a dash is a flag.
func flagsIn(text string) (flags []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "-") {
			flags = append(flags, strings.TrimSpace(line))
		}
	}
	return flags
}

// BuildTool compiles one of this module's own commands into a file.
func BuildTool(ctx context.Context, pkg, out string) error {
	root, err := Repository()
	if err != nil {
		return err
	}
	return compile(ctx, filepath.Join(root, "e2e"), pkg, out)
}

func compile(ctx context.Context, module, pkg, out string) error {
	return run(buildCommand(ctx, module, pkg, out))
}

func buildCommand(ctx context.Context, module, pkg, out string, flags ...string) *exec.Cmd {
	arguments := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, flags...)
	command := exec.CommandContext(ctx, "go", append(arguments, pkg)...)
	command.Dir = module
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	return command
}

func run(command *exec.Cmd) error {
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", command, command.Dir, err, text)
	}
	return nil
}

// Repository finds the folder that holds go.work, from the working folder up.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the programs are built from this project's source, and neither this folder nor one above it holds its go.work: run it inside the project")
		}
		dir = filepath.Dir(dir)
	}
}

// TempDir makes a folder that the database's user may enter when we are root:
// Postgres never runs as root.
func TempDir() (string, error) { return tempDir("") }

func tempDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "lucid-e2e-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
