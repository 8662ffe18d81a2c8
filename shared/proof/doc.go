// Package proof owns the cryptography that agent and coordinator share: key
// derivation, the enrolment transcript, canonical bytes of challenge and
// response, the puzzle, the MACs (of commands too) and the running hash of telemetry.
//
// It is pure: no clock, no network, no storage. testdata/vectors.json holds
// vectors that any other implementation can check itself against.
//
// Encoding: a message is its domain string followed by its fields, every one
// of them (the domain too) as a 4-byte big-endian length and that many bytes.
// Integers are 8 bytes, big-endian.
package proof
