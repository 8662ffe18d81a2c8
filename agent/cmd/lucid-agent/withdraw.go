package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"lucid.internal/agent"
)

// withdraw is the command `withdraw`.
func withdraw(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	config := agent.Default()
	flags := flag.NewFlagSet("withdraw", flag.ContinueOnError)
	file := flags.String("config", "", "configuration `file` (TOML) of run, or a folder of them; flags win over it")
	flags.String("state-dir", config.StateDir, "state `folder`, with keys and identity")
	about := "take this machine out of Home Assistant, once the agent has ended"
	if code, done := parse(flags, args, about, stdout, stderr); done {
		return code
	}
	if err := configure(&config, *file, flags); err != nil {
		fmt.Fprintf(stderr, "lucid-agent withdraw: wrong configuration:\n%s\n", indent(err))
		return exitUsage
	}
	if err := agent.Withdraw(ctx, config); err != nil {
		return failed("withdraw", err, stderr)
	}
	fmt.Fprintf(stdout, "taken out of Home Assistant at %s\n", config.HomeAssistant.Broker)
	return exitOK
}
