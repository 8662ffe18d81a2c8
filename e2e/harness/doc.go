// Package harness owns what the end-to-end tests and the benchmarks need to
// drive the real binaries: building them, starting and killing a coordinator,
// speaking its API, MQTT and SQL, and nodes whose every byte the caller knows.
//
// It must never decide what is right: it reports, and its callers judge.
package harness
