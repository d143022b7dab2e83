// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Terraform-provider-serve runs HTTP services on a mixture of spot and
// on-demand machines. Terraform starts it as a provider plugin; by hand it is a
// small tool, see "terraform-provider-serve help".
package main

import (
	"os"

	"github.com/serve-infra/terraform-provider-serve/internal/command"
)

// version is set when a release is built.
var version = "dev"

func main() {
	p := command.Program{Version: version, Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(p.Run(os.Args[1:]))
}
