// Package client speaks to the API: client.gen.go is generated from
// openapi.json, which is exported from the operations themselves. `make
// generate` writes both.
//
// Amounts and scores are json.Number: exact digits, never a float.
package client

import (
	"context"
	"net/http"
)

// WithCredential sends an API key or an access token with every request.
func WithCredential(credential string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+credential)
		return nil
	})
}
