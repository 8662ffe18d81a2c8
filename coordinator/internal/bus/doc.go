// Package bus owns a coordinator's connections to an MQTT broker that is not
// its own: what it reads there in the name of a session that outlives it, when
// it acknowledges, and what it publishes.
//
// It must never know SQL or what a message means, acknowledge a message before
// the given function took it, or let the messages of one node overtake each
// other within a session. It is the only package that imports paho.
package bus
