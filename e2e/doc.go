// Package e2e holds the tests that start the real binaries.
package e2e
