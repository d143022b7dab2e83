// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package bootstrap

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

//go:embed fetch.py
var fetcher string

// hostUnit is the service of a controller. When that ends to make room for another
// program, the program is there already.
const hostUnit = `[Unit]
Description=Controller of a service
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 ` + Dir + `/fetch.py
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=30
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`

const hostUnitFile = "serve-controller.service"

// HostFile is where on the machine of a controller what it was told is.
const HostFile = Dir + "/host.json"

// Host is what the machine of a controller has to know: where the rest is. There
// is nothing secret in it.
type Host struct {
	// Cloud says by which credentials the bucket is read, and what the program is to be:
	// the controller on a machine of "aws" or of "gcp".
	Cloud   string `json:"cloud"`
	Service string `json:"service"`
	Region  string `json:"region"`
	Bucket  string `json:"bucket"`
	// BucketURL is where the bucket's objects are, without a slash at the end.
	BucketURL string `json:"bucket_url"`
	// Endpoints replaces those of some of the cloud's services, by their names.
	Endpoints map[string]string `json:"endpoints,omitempty"`
}

// HostData gives the user data of the machine of a controller, in the form of
// cloud-init. What the machine runs is in its bucket, and may be another program
// tomorrow.
func HostData(h Host) (string, error) {
	files, err := h.files(Dir)
	if err != nil {
		return "", fmt.Errorf("making user data: %w", err)
	}
	return cloudConfig(Dir, files, hostUnitFile)
}

// HostScript gives the same as a script, for a machine of Google's system for
// containers, which lets nobody in by itself. It may be run at every start of the
// machine.
func HostScript(h Host, dir string, ports ...int) (string, error) {
	files, err := h.files(dir)
	if err != nil {
		return "", fmt.Errorf("making a startup script: %w", err)
	}
	return script(dir, files, hostUnitFile, ports...), nil
}

// files gives what the machine is to have.
func (h Host) files(dir string) ([]file, error) {
	if h.Cloud != "aws" && h.Cloud != "gcp" || h.Service == "" || h.Region == "" || h.Bucket == "" || h.BucketURL == "" {
		return nil, fmt.Errorf("%+v leaves something out: %w", h, serve.ErrInvalid)
	}
	host, err := json.Marshal(h)
	return []file{
		{"host.json", "0644", string(host) + "\n"},
		{"fetch.py", "0644", fetcher},
		{hostUnitFile, "0644", strings.ReplaceAll(hostUnit, Dir, dir)},
	}, err
}
