// Package evm owns the proof that what we send is what a token understands:
// our calldata, run against a real ERC-20 contract in go-ethereum's EVM.
//
// It is a module of its own, so that go-ethereum is in no program of ours.
package evm
