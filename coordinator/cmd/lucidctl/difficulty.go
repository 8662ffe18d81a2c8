package main

import "lucid.internal/coordinator/client"

// difficulty is the flags of how hard challenges are: of a node, or of the nodes
// of a pool.
type difficulty struct {
	Difficulty   *int64 `xor:"difficulty" placeholder:"BITS" help:"Bits to search for each puzzle of a challenge; a node's own counts before its pool's."`
	NoDifficulty bool   `xor:"difficulty" help:"Take that back: the pool, the fleet or each node's speed decides."`
}

// settings is nil when neither flag was given.
func (d difficulty) settings() *client.ChallengeSettings {
	if d.Difficulty == nil && !d.NoDifficulty {
		return nil
	}
	return &client.ChallengeSettings{Difficulty: d.Difficulty}
}
