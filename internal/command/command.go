// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package command is the wiring: the only place where the parts of the project
// meet. It is the program's command line.
//
// Started without arguments by Terraform, the program is the provider plugin.
// Otherwise its first argument names a command: some are for people (status,
// logs, events, page, preempt, market, simulate, image), some the program starts itself
// (controller, aws-controller, gcp-controller, kube-controller, local-machine, agent).
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Program is one run of the program.
type Program struct {
	// Version is the program's version, "dev" for a build that has none.
	Version string
	Stdout  io.Writer
	Stderr  io.Writer
}

// A usageError is a mistake in the command line.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

// entry is one command.
type entry struct {
	name, arguments, summary string
	run                      func(p *Program, ctx context.Context, args []string) error
	// hidden commands are started by the program itself.
	hidden bool
}

func entries() []entry {
	return []entry{
		{name: "status", arguments: "[NAME...] [--watch] [--json] [--endpoint] [-v]", summary: "show services and their replicas", run: (*Program).status},
		{name: "logs", arguments: "NAME [ID] [--follow] [--tail N] [--controller]", summary: "show what a replica, or the controller, has printed", run: (*Program).logs},
		{name: "events", arguments: "NAME [--follow] [--json]", summary: "show what happened and why", run: (*Program).events},
		{name: "page", arguments: "NAME [--listen HOST:PORT] [--public]", summary: "say where a service's status page is, or serve it; --public allows addresses others can reach, and there is no login", run: (*Program).page},
		{name: "terminate", arguments: "NAME ID [--purge]", summary: "drain and end one replica; it is replaced", run: (*Program).terminate},
		{name: "down", arguments: "NAME", summary: "end a service and its controller without Terraform", run: (*Program).down},
		{name: "preempt", arguments: "NAME ID", summary: "take a local replica's machine away, as a spot market does", run: (*Program).preempt},
		{name: "market", arguments: "[show | set ZONE [--spot N] [--on-demand N]]", summary: "show or change the local spot market", run: (*Program).market},
		{name: "simulate", arguments: "--trace FILE --replicas N | --scenario FILE [...]", summary: "show what a service would do, on a trace of spot capacity or in a scenario", run: (*Program).simulate},
		{name: "image", arguments: "save DIR | push REPOSITORY[:TAG] [--insecure] | digest  [--binary PLATFORM=PATH]...", summary: "assemble the controller image, of this program and others named by platform", run: (*Program).image},
		{name: "version", summary: "print the version", run: (*Program).version},
		{name: "controller", arguments: "--home DIR --name NAME", run: (*Program).controller, hidden: true},
		{name: "aws-controller", arguments: "--dir DIR", run: (*Program).awsController, hidden: true},
		{name: "gcp-controller", arguments: "--dir DIR", run: (*Program).gcpController, hidden: true},
		{name: "kube-controller", arguments: "--pod NAME --address IP --credentials DIR [--namespace NAME]", run: (*Program).kubeController, hidden: true},
		{name: "agent", arguments: "[--dir DIR]", run: (*Program).agent, hidden: true},
		{name: "local-machine", arguments: "DIR", run: (*Program).localMachine, hidden: true},
	}
}

// Run runs the program with its arguments and gives its exit code: 0 for
// success, 1 for failure, 2 for a mistake in the command line.
func (p *Program) Run(args []string) int {
	if len(args) == 0 || args[0] == "-debug" || args[0] == "--debug" {
		return p.exit(p.plugin(len(args) > 0))
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		p.usage(p.Stdout)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, e := range entries() {
		if e.name == args[0] {
			err := e.run(p, ctx, args[1:])
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprintf(p.Stdout, "usage: terraform-provider-serve %s %s\n", e.name, e.arguments)
				return 0
			}
			if mistake, ok := errors.AsType[usageError](err); ok {
				fmt.Fprintf(p.Stderr, "%s\nusage: terraform-provider-serve %s %s\n", mistake, e.name, e.arguments)
				return 2
			}
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				// A script must not take what was broken off for done.
				fmt.Fprintln(p.Stderr, "interrupted")
				return 1
			}
			return p.exit(err)
		}
	}
	fmt.Fprintf(p.Stderr, "there is no command %q\n\n", args[0])
	p.usage(p.Stderr)
	return 2
}

// followed gives the error of a command that goes on until it is interrupted:
// for such a command an interruption is the end that was wanted.
func followed(ctx context.Context, follow bool, err error) error {
	if follow && ctx.Err() != nil {
		err = nil
	}
	return err
}

func (p *Program) exit(err error) int {
	if err != nil {
		fmt.Fprintln(p.Stderr, "error:", err)
		return 1
	}
	return 0
}

func (p *Program) usage(w io.Writer) {
	fmt.Fprintf(w, "terraform-provider-serve %s: HTTP services on spot machines with on-demand fallback.\n\n", p.Version)
	fmt.Fprint(w, "Terraform starts this program by itself. By hand it knows these commands:\n\n")
	for _, e := range entries() {
		if !e.hidden {
			fmt.Fprintf(w, "  %-10s %s\n  %-10s   %s %s\n", e.name, e.summary, "", e.name, e.arguments)
		}
	}
	fmt.Fprint(w, "\nEvery command takes --home DIR, where local services live (default $SERVE_HOME, then ~/.serve).\n"+
		"Those about a service take --infra kubernetes[/NAMESPACE] for one whose controller is in the cluster that kubectl talks to,\n"+
		"or --infra aws[/REGION] or gcp[/REGION] for one whose controller is on a machine of AWS or Google Cloud.\n")
}

func (p *Program) version(context.Context, []string) error {
	_, err := fmt.Fprintln(p.Stdout, p.Version)
	return err
}

// flags is a command line whose flags may stand before, between or after its
// other arguments.
type flags struct {
	*flag.FlagSet
	home, infra *string
}

func newFlags(name string) *flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return &flags{FlagSet: set, home: set.String("home", "", ""), infra: set.String("infra", "", "")}
}

// place is where the controllers are that the command is for.
func (f *flags) place() place { return place{home: *f.home, infra: *f.infra} }

// parse gives the arguments that are not flags; there must be from least to most of them.
func (f *flags) parse(args []string, least, most int) ([]string, error) {
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err.Error()}
		}
		if f.NArg() == 0 {
			break
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
	if len(rest) < least || len(rest) > most {
		return nil, usageError{"that is not the number of arguments it takes"}
	}
	return rest, nil
}

// homeOf gives the directory where local services live: the one asked for,
// $SERVE_HOME, or ~/.serve.
func homeOf(asked string) (string, error) {
	if asked == "" {
		asked = os.Getenv("SERVE_HOME")
	}
	if asked != "" {
		return filepath.Abs(asked)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the home directory (set SERVE_HOME to do without): %w", err)
	}
	return filepath.Join(home, ".serve"), nil
}
