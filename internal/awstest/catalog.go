// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"
)

// kind is a type of instance, with what DescribeInstanceTypes tells of it.
type kind struct {
	name        string
	arch        string // x86_64 or arm64
	cores       int
	threads     int // per core
	memoryMiB   int
	price       float64 // an hour on demand in us-east-1, in US dollars
	processor   string
	clock       float64 // sustained, in GHz
	network     string
	gpu         string // its name, if it has one
	gpus        int
	gpuMiB      int // of each
	diskGB      int // of local storage, in all
	disks       int
	onlyInZones string // the letters of the zones that have it; all if empty
	burstable   bool
}

func (k kind) vcpus() int { return k.cores * k.threads }

// class is the group of types that share a quota.
func (k kind) class() string {
	switch k.name[0] {
	case 'g':
		return ClassG
	case 'p':
		return ClassP
	}
	return ClassStandard
}

// kinds are the types there are, as AWS' pages on them have it, with the prices
// of the end of 2025.
func kinds() []kind {
	const x86, arm = "x86_64", "arm64"
	return []kind{
		{
			name: "c7i.large", arch: x86, cores: 1, threads: 2, memoryMiB: 4096, price: 0.08925,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "c7i.xlarge", arch: x86, cores: 2, threads: 2, memoryMiB: 8192, price: 0.1785,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "g5.xlarge", arch: x86, cores: 2, threads: 2, memoryMiB: 16384, price: 1.006,
			processor: "AMD", clock: 3.3, network: "Up to 10 Gigabit",
			gpu: "A10G", gpus: 1, gpuMiB: 22888, diskGB: 250, disks: 1,
		}, {
			name: "g6.xlarge", arch: x86, cores: 2, threads: 2, memoryMiB: 16384, price: 0.8048,
			processor: "AMD", clock: 3.4, network: "Up to 10 Gigabit",
			gpu: "L4", gpus: 1, gpuMiB: 22888, diskGB: 250, disks: 1, onlyInZones: "ab",
		}, {
			name: "m7g.large", arch: arm, cores: 2, threads: 1, memoryMiB: 8192, price: 0.0816,
			processor: "AWS", clock: 2.6, network: "Up to 12.5 Gigabit",
		}, {
			name: "m7g.xlarge", arch: arm, cores: 4, threads: 1, memoryMiB: 16384, price: 0.1632,
			processor: "AWS", clock: 2.6, network: "Up to 12.5 Gigabit",
		}, {
			name: "m7i.2xlarge", arch: x86, cores: 4, threads: 2, memoryMiB: 32768, price: 0.4032,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "m7i.large", arch: x86, cores: 1, threads: 2, memoryMiB: 8192, price: 0.1008,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "m7i.xlarge", arch: x86, cores: 2, threads: 2, memoryMiB: 16384, price: 0.2016,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "p4d.24xlarge", arch: x86, cores: 48, threads: 2, memoryMiB: 1179648, price: 21.957642,
			processor: "Intel", clock: 3, network: "4x 100 Gigabit",
			gpu: "A100", gpus: 8, gpuMiB: 40960, diskGB: 8000, disks: 8, onlyInZones: "ac",
		}, {
			name: "r7i.large", arch: x86, cores: 1, threads: 2, memoryMiB: 16384, price: 0.1323,
			processor: "Intel", clock: 3.2, network: "Up to 12.5 Gigabit",
		}, {
			name: "t3.large", arch: x86, cores: 1, threads: 2, memoryMiB: 8192, price: 0.0832,
			processor: "Intel", clock: 2.5, network: "Up to 5 Gigabit", burstable: true,
		}, {
			name: "t3.medium", arch: x86, cores: 1, threads: 2, memoryMiB: 4096, price: 0.0416,
			processor: "Intel", clock: 2.5, network: "Up to 5 Gigabit", burstable: true,
		}, {
			name: "t3.small", arch: x86, cores: 1, threads: 2, memoryMiB: 2048, price: 0.0208,
			processor: "Intel", clock: 2.5, network: "Up to 5 Gigabit", burstable: true,
		}, {
			name: "t4g.small", arch: arm, cores: 2, threads: 1, memoryMiB: 2048, price: 0.0168,
			processor: "AWS", clock: 2.5, network: "Up to 5 Gigabit", burstable: true,
		},
	}
}

func kindNamed(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// zone is one availability zone. Its id is the same for every account, while
// its name is not.
type zone struct{ name, id, subnet, block string }

func regionNames() []string { return []string{"us-east-1", "us-west-2", "eu-west-1"} }

// place tells of a region what never changes.
func place(region string) (short, long string, dearer float64) {
	switch region {
	case "us-west-2":
		return "usw2", "US West (Oregon)", 1
	case "eu-west-1":
		return "euw1", "EU (Ireland)", 1.114
	}
	return "use1", "US East (N. Virginia)", 1
}

// onDemand is the price of a type in a region, in US dollars an hour.
func (k kind) onDemand(region string) float64 {
	_, _, dearer := place(region)
	return math.Round(k.price*dearer*1e6) / 1e6
}

// offered reports whether a zone has a type at all.
func (k kind) offered(z zone) bool {
	letter := z.name[len(z.name)-1:]
	return k.onlyInZones == "" || strings.Contains(k.onlyInZones, letter)
}

// spotPrice is what a type costs in a zone at first: between 28 and 45 % of what
// it costs on demand, in each zone another part.
func (k kind) spotPrice(region string, z zone) float64 {
	part := 0.28 + float64(hash(z.id, k.name)%18)/100
	return math.Round(k.onDemand(region)*part*1e4) / 1e4
}

// hash makes a number of names that is the same in every run.
func hash(names ...string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(names, "/"))) // never fails
	return h.Sum64()
}

// dollars writes a price as spot prices are written.
func dollars(price float64) string { return strconv.FormatFloat(price, 'f', 6, 64) }

// image is an image of a disk that instances are made of. Its parameter is how
// SSM publishes the newest of its line.
type image struct {
	id, name, arch, device, owner, alias, parameters string
	sizeGB                                           int
	made                                             time.Time
}

// imagesOf gives the images of a region. The same image has another id in each.
func imagesOf(region string) []image {
	made := time.Date(2025, 11, 10, 22, 1, 30, 0, time.UTC)
	images := []image{
		{
			name: "al2023-ami-2023.9.20251110.1-kernel-6.1-x86_64", arch: "x86_64", device: "/dev/xvda", sizeGB: 8,
			owner: "137112412989", alias: "amazon",
			parameters: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 " +
				"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
		}, {
			name: "al2023-ami-2023.9.20251110.1-kernel-6.1-arm64", arch: "arm64", device: "/dev/xvda", sizeGB: 8,
			owner: "137112412989", alias: "amazon",
			parameters: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64 " +
				"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
		}, {
			name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) 20251107", arch: "x86_64",
			device: "/dev/xvda", sizeGB: 75, owner: "898082745236", alias: "amazon",
			parameters: "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id " +
				"/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-al2023/latest/ami-id",
		}, {
			name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022", arch: "x86_64",
			device: "/dev/sda1", sizeGB: 8, owner: "099720109477",
			parameters: "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
		}, {
			name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022", arch: "arm64",
			device: "/dev/sda1", sizeGB: 8, owner: "099720109477",
			parameters: "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
		},
	}
	for i := range images {
		images[i].id = "ami-0" + hex16(hash(region, images[i].name))
		images[i].made = made
	}
	return images
}

func hex16(n uint64) string {
	s := strconv.FormatUint(n, 16)
	return strings.Repeat("0", 16-len(s)) + s
}
