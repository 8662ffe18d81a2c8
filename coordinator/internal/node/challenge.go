package node

import (
	"fmt"

	"lucid.internal/shared/proof"
)

// Challenge is what an operator wants of the challenges of a node, or of all
// nodes of a pool.
type Challenge struct {
	// Bits to search for each puzzle, 0..proof.MaxDifficulty. Nil: as the next one
	// says, the pool, the fleet, or in the end the node's model and speed.
	Difficulty *int `json:"difficulty,omitempty"`
}

// Complaint says what is wrong with the difficulty when it may be highest at
// most, because of who: a machine. Empty: nothing.
func (c Challenge) Complaint(highest int, who string) string {
	switch d := c.Difficulty; {
	case d == nil:
		return ""
	case *d < 0 || *d > proof.MaxDifficulty:
		return fmt.Sprintf("must be from 0 to %d", proof.MaxDifficulty)
	case *d > highest:
		return fmt.Sprintf("%d is more than a quarter of what %s could search before the deadline, limit is %d", *d, who, highest)
	}
	return ""
}

func (f *findings) challenge(c *Configuration, highest int, who string) {
	if c == nil {
		return
	}
	if wrong := c.Challenge.Complaint(highest, who); wrong != "" {
		f.add("configuration.challenge.difficulty", "%s", wrong)
	}
}

// fits refuses challenges that a node's machine has no chance to answer in time,
// as far as it is known.
func (s *Store) fits(c *Configuration, model string) error {
	who := model
	if who == "" {
		who = "the fastest machine"
	}
	var f findings
	f.challenge(c, s.HighestDifficulty(model), who)
	return f.fault("the node cannot do this")
}
