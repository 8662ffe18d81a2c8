package rail

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

// proveDead proves that a transaction is in no block and never will be: each of
// the two nodes serves every final block from the one that it refers to up to
// the first one past its expiration, linked by hashes, and none holds it. A
// single "not found" proves nothing; nodes lag, are pruned, and share a name.
func (r *Runner) proveDead(ctx context.Context, a attempt) error {
	var ends [2]tron.BlockID
	for i, w := range r.proofs {
		end, err := w.without(ctx, a)
		if err != nil {
			return fmt.Errorf("by %s: %w", w.node.Host(), err)
		}
		ends[i] = end
	}
	if ends[0] != ends[1] {
		return fmt.Errorf("%s and %s are on different chains: %s and %s", r.proofs[0].node.Host(), r.proofs[1].node.Host(), ends[0], ends[1])
	}
	return nil
}

// walk is the final blocks that a node served, kept because attempts that end
// together are looked for in the same blocks.
type walk struct {
	node   *chain.Node
	blocks map[int64]seen
}

type seen struct {
	chain.Block // without its transactions' bytes
	holds       map[tron.ID]bool
}

// maxSeen bounds the memory: an hour of blocks, some 15 minutes are looked through.
const maxSeen = 1200

func newWalk(node *chain.Node) *walk { return &walk{node, make(map[int64]seen)} }

// without goes from the block that the attempt refers to to the first one past
// its expiration, and gives that one's id. That the attempt is in one of them,
// or that a block is missing or does not link, is an error.
func (w *walk) without(ctx context.Context, a attempt) (tron.BlockID, error) {
	ref := tron.BlockID(a.RefBlock)
	last, err := w.block(ctx, ref.Number())
	if err != nil {
		return ref, err
	}
	if last.ID != ref {
		w.forget()
		return ref, fmt.Errorf("block %d is %s there, not %s", ref.Number(), last.ID, ref)
	}
	for !last.Time.After(a.ExpiresAt) {
		next, err := w.block(ctx, last.ID.Number()+1)
		switch {
		case err != nil:
			return ref, err
		case next.Parent != last.ID:
			w.forget()
			return ref, fmt.Errorf("block %d does not follow block %d", next.ID.Number(), last.ID.Number())
		case next.holds[a.id]:
			return ref, fmt.Errorf("block %d holds it", next.ID.Number())
		}
		last = next
	}
	return last.ID, nil
}

func (w *walk) block(ctx context.Context, number int64) (seen, error) {
	if b, known := w.blocks[number]; known {
		return b, nil
	}
	b, err := w.node.SolidBlock(ctx, number)
	if err != nil {
		return seen{}, err
	}
	s := seen{b, make(map[tron.ID]bool, len(b.Transactions))}
	for _, t := range b.Transactions {
		s.holds[t.ID] = true
	}
	s.Transactions = nil
	if len(w.blocks) >= maxSeen {
		w.forget()
	}
	w.blocks[number] = s
	return s, nil
}

// forget drops what may be of another chain.
func (w *walk) forget() { clear(w.blocks) }
