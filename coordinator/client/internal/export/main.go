// Command export prints the OpenAPI 3.0 document of the API, indented, so that
// a change of the API is a readable change of client/openapi.json.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"lucid.internal/coordinator/internal/api"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

func run() error {
	document, err := api.Document()
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err = indented.WriteTo(os.Stdout)
	return err
}
