package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The three pictures of a group: as many members as partitions, fewer, and more, where the one that is idle takes over
// from an owner that is killed. Each member is a process of its own.
func (s *session) pictures() {
	created, err := s.admin.CreateTopic(s.context, partitions, 1, nil, s.topic)
	check(err)
	check(created.Err)
	var members []*exec.Cmd
	defer func() {
		for _, member := range members {
			member.Process.Kill()
		}
	}()
	join := func() {
		member := exec.Command(os.Args[0], s.bootstrap, s.topic, "member")
		member.Stderr = os.Stderr
		check(member.Start())
		members = append(members, member)
	}
	leave := func(signal os.Signal) {
		check(members[0].Process.Signal(signal))
		members[0].Wait()
		members = members[1:]
	}
	for range 3 {
		join()
	}
	s.awaitShares(1, 1, 1)
	leave(os.Interrupt)
	s.awaitShares(1, 2)
	join()
	join()
	s.awaitShares(0, 1, 1, 1)
	leave(os.Kill)
	s.awaitShares(1, 1, 1)
}

// Joins the group and stays until it is interrupted.
func (s *session) member() {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ConsumerGroup(s.group), kgo.ConsumeTopics(s.topic),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))
	check(err)
	for s.context.Err() == nil {
		client.PollFetches(s.context)
	}
	client.Close()
}

// Waits until the members of the group own so many partitions each, ascending, and every partition has one owner.
func (s *session) awaitShares(wanted ...int) {
	var shares []int
	for !slices.Equal(shares, wanted) {
		if s.context.Err() != nil {
			check(fmt.Errorf("members own %v partitions, not %v", shares, wanted))
		}
		time.Sleep(50 * time.Millisecond)
		shares = s.shares()
	}
	fmt.Println("members own", shares)
}

// How many partitions each member of a stable group owns; nothing while it rebalances.
func (s *session) shares() []int {
	described, err := s.admin.DescribeGroups(s.context, s.group)
	if err != nil || described[s.group].Err != nil || described[s.group].State != "Stable" {
		return nil
	}
	var shares []int
	owners := map[int32]int{}
	for _, member := range described[s.group].Members {
		owned := 0
		if assigned, ok := member.Assigned.AsConsumer(); ok {
			for _, topic := range assigned.Topics {
				owned += len(topic.Partitions)
				for _, partition := range topic.Partitions {
					owners[partition]++
				}
			}
		}
		shares = append(shares, owned)
	}
	for partition, count := range owners {
		expect(count == 1, fmt.Sprintf("partition %d has one owner, not %d", partition, count))
	}
	slices.Sort(shares)
	return shares
}
