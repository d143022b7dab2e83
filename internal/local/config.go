// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const marketFile = "market.json"

// The ways to give a replica an address.
const (
	addressLoopback = "loopback"
	addressPort     = "port"
)

// config is the content of market.json; see the package comment.
type config struct {
	Zones           []zone        `json:"zones"`
	Machines        []machineType `json:"machines"`
	NoticeSeconds   float64       `json:"notice_seconds"`
	BootSeconds     float64       `json:"boot_seconds"`
	ShutdownSeconds float64       `json:"shutdown_seconds"`
	Addressing      string        `json:"addressing"`
	Trace           *traceConfig  `json:"trace,omitempty"`
}

// zone is a place of the market. A nil capacity is any number.
type zone struct {
	Region   string           `json:"region"`
	Zone     string           `json:"zone"`
	Spot     *int             `json:"spot,omitempty"`
	OnDemand *int             `json:"on_demand,omitempty"`
	Prices   map[string]price `json:"prices,omitempty"`
}

// price is in US dollars per hour.
type price struct {
	Spot     float64 `json:"spot"`
	OnDemand float64 `json:"on_demand"`
}

func (p price) in(m serve.Market) float64 {
	if m == serve.Spot {
		return p.Spot
	}
	return p.OnDemand
}

// machineType is a kind of machine on sale in every zone.
type machineType struct {
	Name         string  `json:"name"`
	CPUs         float64 `json:"cpus"`
	Memory       float64 `json:"memory"`
	Accelerators string  `json:"accelerators,omitempty"`
	price
}

// traceConfig says which recording of capacity is replayed, and how.
type traceConfig struct {
	File      string    `json:"file"`
	StartedAt time.Time `json:"started_at,omitzero"`
	Speed     float64   `json:"speed,omitempty"`
}

// defaultConfig is three regions alike in everything, so that replicas spread,
// with spot machines at a third of the price.
func defaultConfig() config {
	spot, onDemand := 8, 16
	place := func(region, name string) zone {
		return zone{Region: region, Zone: name, Spot: &spot, OnDemand: &onDemand}
	}
	return config{
		Zones: []zone{
			place("us-east1", "us-east1-b"),
			place("us-central1", "us-central1-a"),
			place("us-west1", "us-west1-a"),
		},
		Machines: []machineType{
			{Name: "local-2", CPUs: 2, Memory: 4, price: price{Spot: 0.03, OnDemand: 0.10}},
			{Name: "local-4", CPUs: 4, Memory: 16, price: price{Spot: 0.06, OnDemand: 0.20}},
		},
		Addressing: defaultAddressing,
	}
}

// readConfig reads the market of h; fs.ErrNotExist when there is none yet.
func readConfig(h home) (config, error) {
	data, err := os.ReadFile(h.market())
	if err != nil {
		return config{}, fmt.Errorf("reading the market: %w", err)
	}
	var cfg config
	d := json.NewDecoder(bytes.NewReader(data))
	// People write this file: a name that means nothing is a slip to be shown.
	d.DisallowUnknownFields()
	if err := d.Decode(&cfg); err != nil {
		return config{}, fmt.Errorf("reading the market %s: %w", h.market(), err)
	}
	cfg.Addressing = cmp.Or(cfg.Addressing, defaultAddressing)
	if err := cfg.validate(); err != nil {
		return config{}, fmt.Errorf("reading the market %s: %w", h.market(), err)
	}
	return cfg, nil
}

// settledConfig reads the market, writing what is missing of it. The caller
// holds the market's lock.
func settledConfig(h home) (config, error) {
	cfg, err := readConfig(h)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		cfg = defaultConfig()
	case err != nil:
		return config{}, err
	case cfg.Trace != nil && cfg.Trace.StartedAt.IsZero():
		cfg.Trace.StartedAt = time.Now().UTC().Truncate(time.Second)
	default:
		return cfg, nil
	}
	return cfg, jsonfile.Write(h.market(), cfg)
}

// validate says what is wrong with the market, as the person needs it who has
// edited the file.
func (c config) validate() error {
	if err := c.validateSettings(); err != nil {
		return err
	}
	types := make(map[string]bool)
	for _, m := range c.Machines {
		if types[m.Name] {
			return fmt.Errorf("machine %q is there twice", m.Name)
		}
		if err := m.validate(); err != nil {
			return fmt.Errorf("machine %q: %w", m.Name, err)
		}
		types[m.Name] = true
	}
	zones := make(map[string]bool)
	for _, z := range c.Zones {
		if zones[z.Zone] {
			return fmt.Errorf("zone %q is there twice", z.Zone)
		}
		if err := z.validate(types); err != nil {
			return fmt.Errorf("zone %q: %w", z.Zone, err)
		}
		zones[z.Zone] = true
	}
	return nil
}

func (c config) validateSettings() error {
	switch {
	case c.NoticeSeconds < 0 || c.BootSeconds < 0 || c.ShutdownSeconds < 0:
		return errors.New("a number of seconds is below 0")
	case c.Addressing != addressLoopback && c.Addressing != addressPort:
		return fmt.Errorf("addressing %q is neither %q nor %q", c.Addressing, addressLoopback, addressPort)
	case c.Trace != nil && c.Trace.File == "":
		return errors.New("trace: file is missing")
	case c.Trace != nil && c.Trace.Speed < 0:
		return errors.New("trace: speed is below 0")
	}
	return nil
}

func (m machineType) validate() error {
	switch {
	case m.Name == "":
		return errors.New("it needs a name")
	case m.CPUs < 0 || m.Memory < 0 || m.Spot < 0 || m.OnDemand < 0:
		return errors.New("a number is below 0")
	}
	if _, _, err := serve.ParseAccelerators(m.Accelerators); err != nil {
		return fmt.Errorf("accelerators: %w", err)
	}
	return nil
}

func (z zone) validate(types map[string]bool) error {
	switch {
	case z.Region == "" || z.Zone == "":
		return errors.New("it needs both a region and a zone")
	case z.Spot != nil && *z.Spot < 0, z.OnDemand != nil && *z.OnDemand < 0:
		return errors.New("a capacity is below 0")
	}
	for name, p := range z.Prices {
		if !types[name] {
			return fmt.Errorf("prices: there is no machine %q", name)
		}
		if p.Spot < 0 || p.OnDemand < 0 {
			return fmt.Errorf("prices: machine %q: a price is below 0", name)
		}
	}
	return nil
}

// location is where the zone is.
func (z zone) location() serve.Location {
	return serve.Location{Cloud: cloudName, Region: z.Region, Zone: z.Zone}
}

// capacity is what the zone has when no trace says otherwise.
func (z zone) capacity(m serve.Market) *int {
	if m == serve.Spot {
		return z.Spot
	}
	return z.OnDemand
}

// price of a machine type in the zone.
func (z zone) price(t machineType) price {
	if p, ok := z.Prices[t.Name]; ok {
		return p
	}
	return t.price
}
