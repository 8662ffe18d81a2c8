package main

import "regexp"

var idForm = regexp.MustCompile(`^([a-z]+)_[a-zA-Z0-9_-]+$`)

// wantID refuses what cannot be an id before anything is asked or sent, and says
// which command lists those that there are.
func wantID(id, prefix, commands string) error {
	if id == "" {
		return nil // that the argument is missing is said elsewhere
	}
	if form := idForm.FindStringSubmatch(id); form == nil || form[1] != prefix {
		return usage("%s is no %s id; `lucidctl %s list` shows it", printable(id), prefix, commands)
	}
	return nil
}

// Validate is called by the parser, as those below.
func (o oneNode) Validate() error { return wantID(o.ID, "node", "nodes") }

// Validate checks the pool's id.
func (o onePool) Validate() error { return wantID(o.ID, "pool", "pools") }

// Validate checks both ids.
func (o nodeOfPool) Validate() error {
	if err := wantID(o.PoolID, "pool", "pools"); err != nil {
		return err
	}
	return wantID(o.NodeID, "node", "nodes")
}

// Validate checks the user's id.
func (c oneUser) Validate() error { return wantID(c.ID, "user", "users") }

// Validate checks the key's id.
func (c *apikeysRevokeCmd) Validate() error { return wantID(c.ID, "key", "apikeys") }

// Validate checks the key's id.
func (o grantedKey) Validate() error { return wantID(o.KeyID, "key", "apikeys") }

// Validate checks the enrolment token's id.
func (c *tokensRevokeCmd) Validate() error { return wantID(c.ID, "token", "tokens") }

// Validate checks the webhook's id.
func (o oneWebhook) Validate() error { return wantID(o.ID, "hook", "webhooks") }

// Validate checks the silence's id.
func (c *silencesEndCmd) Validate() error { return wantID(c.ID, "silence", "silences") }

// Validate checks both ids.
func (c *fraudAppealCmd) Validate() error {
	if err := wantID(c.Node, "node", "nodes"); err != nil {
		return err
	}
	return wantID(c.Flag, "flag", "fraud")
}

// Validate checks the flag's id.
func (c *fraudDecideCmd) Validate() error { return wantID(c.Flag, "flag", "fraud") }

// Validate checks the node's id.
func (c *fraudListCmd) Validate() error { return wantID(c.Node, "node", "nodes") }
