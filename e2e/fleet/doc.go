// Package fleet owns simulated Raspberry Pis, ten thousand in one process: each
// enrols with keys of its own, keeps a connection, sends a plausible series,
// answers challenges, obeys commands, and suffers faults or cheats as told.
//
// It must never count anything as delivered that was not acknowledged, send a
// message again with other bytes, or judge a coordinator by what it says
// instead of by what its database holds.
//
// A node is one goroutine that owns all of its state, and one that reads its
// connection; what runs beside them (solving puzzles) hands its result over.
package fleet
