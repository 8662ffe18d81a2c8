package main

import (
	"fmt"
	"os"

	"lucid.internal/coordinator/internal/atomicfile"
)

// enrolFile is where the enroll.toml of a token goes, if anywhere.
type enrolFile struct {
	File string `placeholder:"PATH" help:"Write the device's whole enroll.toml there instead of printing the token."`
}

// write asks make for the text, which can be had once only: so the file is
// there before anybody is asked, nothing that stands is overwritten, and the text
// outlasts a power cut.
func (f enrolFile) write(a *app, make func() (text string, err error)) error {
	if f.File == "" {
		_, err := make()
		if err == nil {
			a.note("the token is shown only now; put it into the device's enroll.toml (--file writes the whole file)")
		}
		return err
	}
	empty, err := os.OpenFile(f.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // also on a card's FAT, which has no links
	if err != nil {
		return fmt.Errorf("no token is made, since its file cannot be: %w", err)
	}
	empty.Close()
	text, err := make()
	if err == nil {
		err = atomicfile.Replace(f.File, []byte(text))
	}
	if err != nil {
		os.Remove(f.File)
		return err
	}
	a.note("%s holds the token: copy it to lucid/enroll.toml of the card's boot partition, then remove it here", f.File)
	return nil
}
