// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// replicaRows is how many replicas a status table shows unless all are asked for.
const replicaRows = 10

// writeTables prints the two tables of sky serve status, in its columns.
func writeTables(w io.Writer, services []serve.Service, at time.Time, all bool) error {
	fmt.Fprintln(w, "Services")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVERSION\tUPTIME\tSTATUS\tREPLICAS\tENDPOINT")
	for _, s := range services {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d/%d\t%s\n", s.Name, versions(s), uptime(s, at), s.Status,
			s.Counts.Ready, s.Counts.Total, cmp.Or(strings.TrimPrefix(s.Endpoint, "http://"), "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nService Replicas")
	fmt.Fprintln(table, "SERVICE_NAME\tID\tVERSION\tENDPOINT\tLAUNCHED\tRESOURCES\tSTATUS\tREGION")
	rows, hidden := 0, 0
	for _, s := range services {
		for _, r := range s.Replicas {
			if rows++; rows > replicaRows && !all {
				hidden++
				continue
			}
			fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", s.Name, r.ID, r.Revision, address(r),
				ago(at.Sub(r.CreatedAt)), resources(r), r.Status(), cmp.Or(r.Offer.Location.Region, "-"))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(w, "... and %d more; -v shows all\n", hidden)
	}
	if all {
		if err := writePools(w, services, at); err != nil {
			return err
		}
		writeLedgers(w, services, at)
	}
	for _, s := range services {
		if s.Message != "" {
			fmt.Fprintf(w, "\n%s: %s\n", s.Name, s.Message)
		}
	}
	return nil
}

// writePools prints what is remembered of the pools that machines come from.
func writePools(w io.Writer, services []serve.Service, at time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	title := "\nPools\nSERVICE_NAME\tLOCATION\tINSTANCE_TYPE\tMARKET\tHELD\tREFUSED\tLOST\n"
	for _, s := range services {
		for _, p := range s.Pools {
			fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\t%s\t%s\t%s\n", title, s.Name, p.Location, p.InstanceType, p.Market,
				past(p.HeldSince, at), grudge(p.Refusals, p.BlockedUntil, at), grudge(p.Preemptions, p.AvoidedUntil, at))
			title = ""
		}
	}
	return table.Flush()
}

// writeLedgers prints what each service has cost, and what that was worth.
func writeLedgers(w io.Writer, services []serve.Service, at time.Time) {
	for _, s := range services {
		if books := s.Ledger.Until(at); !books.At.IsZero() {
			fmt.Fprintf(w, "\n%s: spent $%.4f, saved $%.4f against on-demand; interruptions: %d, below the target: %s\n",
				s.Name, books.Spent(), books.Saved, books.Interrupted, duration(time.Duration(books.BelowSeconds*float64(time.Second))))
		}
	}
}

// past is the time since something began, "-" if it has not.
func past(since, at time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return duration(at.Sub(since))
}

// grudge says how often something went wrong in a row, and for how long it is
// held against a pool.
func grudge(count int, until, at time.Time) string {
	switch {
	case count == 0:
		return "-"
	case until.After(at):
		return fmt.Sprintf("%dx, for %s more", count, duration(until.Sub(at)))
	default:
		return fmt.Sprintf("%dx", count)
	}
}

// versions lists the revisions that serve, or the newest one while none does.
func versions(s serve.Service) string {
	if len(s.ActiveRevisions) == 0 {
		return strconv.FormatInt(s.Revision, 10)
	}
	names := make([]string, len(s.ActiveRevisions))
	for i, revision := range s.ActiveRevisions {
		names[i] = strconv.FormatInt(revision, 10)
	}
	return strings.Join(names, ",")
}

// uptime is the time since the service first had a ready replica.
func uptime(s serve.Service, at time.Time) string {
	return past(s.FirstReadyAt, at)
}

// duration writes a length of time in its two largest units.
func duration(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours := int(d.Hours())/24, int(d.Hours())%24
	minutes, seconds := int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}

// ago says how long ago something was, as SkyServe does: "13 secs ago".
func ago(d time.Duration) string {
	count := func(n int, unit string) string {
		if n != 1 {
			unit += "s"
		}
		return fmt.Sprintf("%d %s ago", n, unit)
	}
	switch {
	case d < time.Minute:
		return count(max(int(d.Seconds()), 0), "sec")
	case d < time.Hour:
		return count(int(d.Minutes()), "min")
	case d < 24*time.Hour:
		return count(int(d.Hours()), "hr")
	default:
		return count(int(d.Hours()/24), "day")
	}
}

// address is where a replica is reached, or "-" while it cannot be.
func address(r serve.Replica) string {
	if r.Address == "" || r.Status().IsTerminal() {
		return "-"
	}
	return "http://" + r.Address
}

// resources says what a replica runs on: "1x GCP([Spot]vCPU=2)", or just
// "[Spot]" while it has no machine to run on.
func resources(r serve.Replica) string {
	var inside []string
	if r.Offer.CPUs > 0 {
		inside = append(inside, "vCPU="+strconv.FormatFloat(r.Offer.CPUs, 'g', -1, 64))
	}
	if r.Offer.Accelerators != "" {
		inside = append(inside, r.Offer.Accelerators)
	}
	spot := ""
	if r.Market == serve.Spot {
		spot = "[Spot]"
	}
	if r.Offer.IsZero() {
		return cmp.Or(spot, "-") // it waits for a place
	}
	return fmt.Sprintf("1x %s(%s%s)", strings.ToUpper(r.Offer.Location.Cloud), spot, strings.Join(inside, ", "))
}

// jsonService is a service in the output of status --json: as the controller
// tells it, with the status of every replica spelled out.
type jsonService struct {
	serve.Service
	Replicas []jsonReplica `json:"replicas"`
}

type jsonReplica struct {
	serve.Replica
	Status serve.Status `json:"status"`
}

// writeJSON prints services as one JSON array on one line, so that --watch
// gives a line for every change.
func writeJSON(w io.Writer, services []serve.Service) error {
	list := make([]jsonService, len(services))
	for i, s := range services {
		list[i] = jsonService{Service: s, Replicas: make([]jsonReplica, len(s.Replicas))}
		for k, r := range s.Replicas {
			list[i].Replicas[k] = jsonReplica{Replica: r, Status: r.Status()}
		}
	}
	return json.NewEncoder(w).Encode(list)
}
