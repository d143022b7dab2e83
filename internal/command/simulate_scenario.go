// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/sim"
)

// play has the scenario happen, and prints every evaluation of the policy.
func (p *Program) play(s simulation) error {
	data, err := os.ReadFile(s.scenario)
	if err != nil {
		return err
	}
	scenario, err := sim.ParseScenario(data, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(s.scenario), name)
		}
		return os.ReadFile(name)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.scenario, err)
	}
	encoder := json.NewEncoder(p.Stdout)
	var failed error
	err = sim.Play(scenario, func(e sim.Evaluation) {
		if s.format == "json" {
			failed = errors.Join(failed, encoder.Encode(e))
		} else {
			failed = errors.Join(failed, writeEvaluation(p.Stdout, e))
		}
	})
	return errors.Join(err, failed)
}

// writeEvaluation prints an evaluation in which something happened.
func writeEvaluation(w io.Writer, e sim.Evaluation) error {
	if len(e.Events) == 0 && len(e.Decisions) == 0 {
		return nil
	}
	at := time.Duration(e.At * float64(time.Second))
	fmt.Fprintf(w, "%s  %d/%d ready, target %d\n", at, e.Ready, e.Total, e.Target)
	for _, event := range e.Events {
		fmt.Fprintf(w, "    %s\n", event)
	}
	for _, d := range e.Decisions {
		where := ""
		if d.Location != "" {
			where = " in " + d.Location
		}
		if _, err := fmt.Fprintf(w, "  %s %s replica %d%s: %s\n", d.Action, strings.ReplaceAll(string(d.Market), "_", "-"), d.ReplicaID, where, d.Reason); err != nil {
			return err
		}
	}
	return nil
}
