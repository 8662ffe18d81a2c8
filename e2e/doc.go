// Package e2e holds the tests that start the real binaries: coordinator,
// agent and Postgres, joined as a user joins them.
//
// It must never import a room of either program: what it knows of them is what
// a stranger sees - command lines, API, MQTT, files and the database.
package e2e
