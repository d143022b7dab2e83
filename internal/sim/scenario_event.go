// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// eventFile is an event as it is written, of one kind.
type eventFile struct {
	At       span     `json:"at"`
	QPS      *float64 `json:"qps"`
	Takes    span     `json:"takes"`
	Metric   *float64 `json:"metric"`
	Replica  int64    `json:"replica"`
	Becomes  string   `json:"becomes"`
	Capacity *int     `json:"capacity"`
	Infra    string   `json:"infra"`
	Market   string   `json:"market"`
	Update   string   `json:"update"`
}

// readEvent reads an event, which is of one kind.
func (s *Scenario) readEvent(e eventFile, read func(string) ([]byte, error)) (happening, error) {
	var kinds []func() (happening, error)
	if e.QPS != nil {
		kinds = append(kinds, e.load)
	}
	if e.Metric != nil {
		value := *e.Metric
		kinds = append(kinds, func() (happening, error) {
			return happening{say: fmt.Sprintf("metric %g", value), do: func(p *playing, _ time.Time) error {
				p.measured = &value
				return nil
			}}, nil
		})
	}
	if e.Replica != 0 || e.Becomes != "" {
		kinds = append(kinds, e.fate)
	}
	if e.Capacity != nil {
		kinds = append(kinds, func() (happening, error) { return e.capacity(s.places) })
	}
	if e.Update != "" {
		kinds = append(kinds, func() (happening, error) { return e.update(read) })
	}
	if len(kinds) != 1 {
		return happening{}, fmt.Errorf("it is %d things at once; an event is one of qps, metric, replica and becomes, capacity, or update", len(kinds))
	}
	h, err := kinds[0]()
	h.at = time.Duration(e.At)
	return h, err
}

func (e eventFile) load() (happening, error) {
	if *e.QPS < 0 || math.IsInf(*e.QPS, 0) || math.IsNaN(*e.QPS) {
		return happening{}, fmt.Errorf("qps: %v requests per second cannot be", *e.QPS)
	}
	say := fmt.Sprintf("qps %g", *e.QPS)
	if takes := time.Duration(e.Takes); takes > 0 {
		say += fmt.Sprintf(" of %v each", takes)
	}
	return happening{say: say, do: load(*e.QPS, time.Duration(e.Takes))}, nil
}

func (e eventFile) fate() (happening, error) {
	does, ok := fates()[e.Becomes]
	if !ok {
		return happening{}, fmt.Errorf("becomes: %q is nothing a replica becomes here; it is one of %s", e.Becomes, strings.Join(slices.Sorted(maps.Keys(fates())), ", "))
	}
	return happening{
		say: fmt.Sprintf("replica %d becomes %s", e.Replica, e.Becomes),
		do: func(p *playing, now time.Time) error {
			if r := p.state.Find(e.Replica); r == nil || r.Teardown != "" {
				return fmt.Errorf("there is no replica %d then that lives", e.Replica)
			}
			return does(p, e.Replica, now)
		},
	}, nil
}

func (e eventFile) capacity(places []*place) (happening, error) {
	market := serve.Market(e.Market)
	if market == "" {
		market = serve.Spot
	}
	if market != serve.Spot && market != serve.OnDemand {
		return happening{}, fmt.Errorf("market: %q is none; it is spot or on_demand", e.Market)
	}
	where := serve.ParseLocation(e.Infra)
	if *e.Capacity < 0 || !slices.ContainsFunc(places, func(p *place) bool { return where.Contains(p.location) }) {
		return happening{}, fmt.Errorf("capacity: %d machines in %q cannot be; it must be 0 or more in one of the locations", *e.Capacity, e.Infra)
	}
	return happening{say: fmt.Sprintf("capacity %d in %s", *e.Capacity, where), do: capacity(where, market, *e.Capacity)}, nil
}

func (e eventFile) update(read func(string) ([]byte, error)) (happening, error) {
	spec, err := readService("update", e.Update, read)
	return happening{say: "update", do: update(spec)}, err
}
