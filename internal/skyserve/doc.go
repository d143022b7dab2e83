// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package skyserve reads the YAML files that SkyServe is given and writes them
// back, so that users bring what they have.
//
// [Parse] takes what SkyServe takes and refuses what it refuses, all mistakes at
// once, each with its path and line. It differs where SkyServe is known to be
// wrong (a target of no requests per second, negative replicas), and it never
// passes over what it has no use for: a key that this project does not support
// is an error that says so.
//
// # Variables
//
// As in SkyServe, $NAME and ${NAME} stand for the value of an environment
// variable within service, workdir and file_mounts, if envs has the name; other
// names stay as they are. A name of secrets is refused there: a spec is stored
// and shown, and SkyServe keeps such secrets in clear. In setup and run nothing
// is replaced, as the shell does that on the replica.
//
// # Accelerators
//
// One line of accelerators may name several. A mapping or set is a choice
// (any_of), a list an order of preference (ordered); either becomes one entry
// of the resources for each.
//
// # Scalars
//
// The value of an environment variable is its text as written, whatever its
// type: "1.0" stays 1.0 and "yes" stays yes.
package skyserve
