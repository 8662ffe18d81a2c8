package identity

import (
	"bytes"
	"slices"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const (
	// spareFor is how long a key that was in use before is kept for a coordinator
	// that knows no newer one: its database was restored from a backup.
	spareFor = 30 * 24 * time.Hour
	// maxSpares bounds what is kept beside the keys in use and the next ones.
	maxSpares = 4
)

// keyset are the root secrets that a node holds, as they lie on its disk. Which
// of them the coordinator has is its database's to say, and that may be restored
// from a backup of any age; which of them is a password may lag behind at a
// broker that is another's. So none is dropped because another one works:
//
//   - the one in use, by which the coordinator took a login last, or which was
//     the next one when the coordinator used it;
//   - the next one, offered and answered: the coordinator may have it at any
//     moment, and no message says that it never will;
//   - spares, in use before or offered before the next one. They are passwords to
//     try; a message under one counts only while the coordinator may know it and
//     take an older one all the same (Heeded).
//
// Its methods are pure: each gives a changed copy.
type keyset struct {
	rootSecret             // in use
	Next       *nextRoot   `json:"next,omitempty"`
	Spare      []spareRoot `json:"spare,omitempty"` // set aside last: first
}

// rootSecret is from which the keys of an epoch come. Two may have one number:
// a restored coordinator gives the next one again.
type rootSecret struct {
	KeyEpoch uint32 `json:"key_epoch"`
	Root     []byte `json:"root"`
}

func (s rootSecret) same(o rootSecret) bool {
	return s.KeyEpoch == o.KeyEpoch && bytes.Equal(s.Root, o.Root)
}

func (s rootSecret) epoch() proof.Epoch {
	return proof.Epoch{No: s.KeyEpoch, Keys: proof.Key(s.Root).Derive()}
}

// nextRoot is one that the coordinator has not been seen to use yet.
type nextRoot struct {
	rootSecret
	Offered []byte         `json:"offered"` // the coordinator's half
	Answer  wire.KeyAnswer `json:"answer"`
}

type spareRoot struct {
	rootSecret
	SetAsideAt time.Time `json:"set_aside_at"`
	// Heeded: the coordinator may speak under it, though it took an older one at a
	// login or offered another one.
	Heeded bool `json:"heeded,omitempty"`
	Unused bool `json:"unused,omitempty"` // it was offered only
}

// all are the secrets in the order in which they are tried as passwords.
func (k *keyset) all() []rootSecret {
	list := []rootSecret{k.rootSecret}
	if k.Next != nil {
		list = append(list, k.Next.rootSecret)
	}
	for _, s := range k.Spare {
		list = append(list, s.rootSecret)
	}
	return list
}

// heeded are those under which a message of now may come: the one in use first.
func (k *keyset) heeded() []rootSecret {
	list := []rootSecret{k.rootSecret}
	if k.Next != nil {
		list = append(list, k.Next.rootSecret)
	}
	for _, s := range k.Spare {
		if s.Heeded {
			list = append(list, s.rootSecret)
		}
	}
	return list
}

// offered takes another next one. The one before stays a spare: a coordinator
// whose standby took over may still take its answer.
func (k keyset) offered(next *nextRoot, now time.Time) keyset {
	if k.Next != nil {
		k = k.setAside(spareRoot{rootSecret: k.Next.rootSecret, SetAsideAt: now, Heeded: true, Unused: true})
	}
	k.Next = next
	return k
}

// promoted takes one into use that was offered: the coordinator has it, so it
// speaks under none before it any more. ok is false for any other one, of which a
// message is no sign that it opens the broker.
func (k keyset) promoted(used rootSecret, now time.Time) (_ keyset, ok bool) {
	spare := slices.IndexFunc(k.Spare, func(s spareRoot) bool { return s.Unused && s.same(used) })
	switch {
	case k.Next != nil && k.Next.same(used):
		k.Next = nil
	case spare >= 0:
		k.Spare = slices.Delete(slices.Clone(k.Spare), spare, spare+1)
	default:
		return k, false
	}
	k = k.setAside(spareRoot{rootSecret: k.rootSecret, SetAsideAt: now})
	k.rootSecret = used
	for i := range k.Spare {
		k.Spare[i].Heeded = false
	}
	return k, true
}

// wentTo takes a spare into use, by which the coordinator took a login after it
// refused those before it. All newer ones are heeded: that it knows them and its
// broker does not is possible.
func (k keyset) wentTo(used rootSecret, now time.Time) keyset {
	k.Spare = slices.DeleteFunc(slices.Clone(k.Spare), func(s spareRoot) bool { return s.same(used) })
	k = k.setAside(spareRoot{rootSecret: k.rootSecret, SetAsideAt: now})
	k.rootSecret = used
	for i := range k.Spare {
		k.Spare[i].Heeded = k.Spare[i].KeyEpoch > used.KeyEpoch
	}
	return k
}

// setAside keeps a spare. When they are too many one goes that was never in use,
// so that offers which nobody takes push out nothing else, or one that is not
// heeded; the oldest of them.
func (k keyset) setAside(s spareRoot) keyset {
	k.Spare = slices.Concat([]spareRoot{s}, k.Spare)
	if len(k.Spare) <= maxSpares {
		return k
	}
	goes := maxSpares
	for _, dispensable := range []func(spareRoot) bool{
		func(o spareRoot) bool { return !o.Heeded },
		func(o spareRoot) bool { return o.Unused },
	} {
		for i := maxSpares; i > 0; i-- {
			if dispensable(k.Spare[i]) {
				goes = i
				break
			}
		}
	}
	k.Spare = slices.Delete(k.Spare, goes, goes+1)
	return k
}

// aged is without the spares that are old and that the coordinator does not speak
// under; same when there are none.
func (k keyset) aged(now time.Time) (changed keyset, same bool) {
	kept := slices.DeleteFunc(slices.Clone(k.Spare), func(s spareRoot) bool {
		return !s.Heeded && !now.Before(s.SetAsideAt.Add(spareFor))
	})
	same = len(kept) == len(k.Spare)
	k.Spare = kept
	return k, same
}

// newest is the newest epoch that was in use and that the coordinator may know.
func (k *keyset) newest() uint32 {
	newest := k.KeyEpoch
	for _, s := range k.Spare {
		if s.Heeded && !s.Unused {
			newest = max(newest, s.KeyEpoch)
		}
	}
	return newest
}
