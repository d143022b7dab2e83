// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package task

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The variables by which a process says to which replica it belongs.
const (
	EnvService = "SERVE_SERVICE"
	EnvUID     = "SERVE_SERVICE_UID"
	EnvReplica = "SERVE_REPLICA_ID"
)

// Place is where a task is carried out.
type Place struct {
	// Dir is the working directory, Home the directory that "~/" stands for.
	Dir, Home string
	// Host and Port are where the server is to listen.
	Host, Port string
	// NoticeFile is where it is told of the machine's end.
	NoticeFile string
}

// Tags gives the variables that make a process one of the replica's.
func Tags(ref serve.Ref) []string {
	return []string{
		EnvService + "=" + ref.Service,
		EnvUID + "=" + ref.UID,
		EnvReplica + "=" + strconv.FormatInt(ref.Replica, 10),
	}
}

// Variables gives what the scripts of a task have in their environment besides
// what the machine gives to all programs. Of two settings of one variable the
// later wins.
func Variables(t serve.Task, ref serve.Ref, p Place) []string {
	env := []string{"PWD=" + p.Dir}
	if MountsHome(t) {
		env = append(env, "HOME="+p.Home)
	}
	for _, vars := range []map[string]string{t.Envs, t.Secrets} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			env = append(env, name+"="+vars[name])
		}
	}
	env = append(env,
		"HOST="+p.Host,
		"PORT="+p.Port,
		"SKYPILOT_SERVE_REPLICA_ID="+strconv.FormatInt(ref.Replica, 10),
		"SERVE_NOTICE_FILE="+p.NoticeFile,
	)
	return append(env, Tags(ref)...)
}

// Inherited gives of an environment what a process started by this one is to
// have: without what belongs to Terraform, to the plugin protocol and to
// ourselves.
func Inherited(environ []string) []string {
	kept := make([]string, 0, len(environ)+16)
	for _, e := range environ {
		switch {
		case strings.HasPrefix(e, "TF_"), strings.HasPrefix(e, "PLUGIN_"), strings.HasPrefix(e, "SERVE_"):
		default:
			kept = append(kept, e)
		}
	}
	return kept
}
