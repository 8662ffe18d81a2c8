// Package broker owns the embedded MQTT server: listeners, logins, access
// rules, limits, and the moment at which an acknowledgement leaves.
//
// It must never know SQL or what a message means: it is given functions for
// that, so an external broker can stand in its place. It never trusts a
// client: topic, will, sizes and times are bounded here, and a panic in a
// given function ends one connection, not the process.
//
// The MQTT library reads, checks and answers packets. What makes a broker is
// here: who is connected, who subscribed, what is retained, and what is still to
// be written to whom; the library's ways take a multiple of the memory, and lose
// most of what is retained when somebody subscribes to much.
//
// Every connection is a session of its own (clean sessions only), so nothing is
// inherited and an old connection's end can never undo what a newer one of the
// same node set up. Takeover is done here: when a node connects again, its older
// connection is closed.
//
// Order of calls for one node: OnConnect of a connection is called only after
// OnConnect of the connection before it returned, so session numbers rise.
// OnDisconnect comes once for each OnConnect that succeeded, never before it
// returned; that of a connection that was taken over may come after OnConnect
// of its successor, and is recognised by its Session. The will is published
// when a connection ends without DISCONNECT and no newer one took over; it
// does not pass OnStatus, so presence is taken from OnDisconnect.
package broker
