package main

import (
	"fmt"
	"os"
)

// enrolFile is where the enroll.toml of a token goes, if anywhere.
type enrolFile struct {
	File string `placeholder:"PATH" help:"Write the device's whole enroll.toml there instead of printing the token."`
}

// write asks make for the text, which can be had once only: so the file is
// there before anybody is asked, and nothing that stands is overwritten.
func (f enrolFile) write(a *app, make func() (text string, err error)) error {
	if f.File == "" {
		_, err := make()
		if err == nil {
			a.note("the token is shown only now; put it into the device's enroll.toml (--file writes the whole file)")
		}
		return err
	}
	out, err := os.OpenFile(f.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("no token is made, since its file cannot be: %w", err)
	}
	text, err := make()
	if err == nil {
		_, err = out.WriteString(text)
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.File)
		return err
	}
	a.note("%s holds the token: copy it to lucid/enroll.toml of the card's boot partition, then remove it here", f.File)
	return nil
}
