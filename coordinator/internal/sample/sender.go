package sample

// Sender is where messages come from that must be taken in order or not at
// all, a connection.
type Sender interface {
	// Settle tells the fate of the oldest messages that are not settled: nil when
	// it is committed. It is called from any goroutine, and must be quick.
	Settle(messages int, err error)
	// Failed reports that a message was settled with an error. What was sent
	// behind it must not be committed: the watermark would pass over it.
	Failed() bool
}

// Alone is the sender of a single message. settle is told its fate.
func Alone(settle func(error)) Sender { return &alone{settle} }

type alone struct{ settle func(error) }

func (a *alone) Settle(_ int, err error) { a.settle(err) }
func (a *alone) Failed() bool            { return false }
