#!/usr/bin/perl
# A link between two network namespaces that delays and loses whole IP packets: two TUN devices, and this in between. Where the kernel
# has no netem it does as well. Commands on stdin, one a line: "delay MS" (each way), "loss PERCENT" (each way), "silence WAYS", "noreset WAYS"
# (0: none, 1: from near to far, 2: from far to near, 3: both): nothing passes, or no TCP reset does.
use strict;
use warnings;
use Time::HiRes qw(time);

my ($near, $far) = @ARGV;
sub tun {
  my ($name) = @_;
  open(my $file, '+<', '/dev/net/tun') or die "/dev/net/tun: $!\n";
  # TUNSETIFF with IFF_TUN | IFF_NO_PI
  ioctl($file, 0x400454ca, pack('a16 S x22', $name, 0x1001)) or die "TUNSETIFF $name: $!\n";
  return $file;
}
# IPv4, TCP, and its flag RST
sub is_reset {
  my ($packet) = @_;
  my ($first, $protocol) = unpack('C x8 C', $packet);
  return $first >> 4 == 4 && $protocol == 6 && (unpack('C', substr($packet, ($first & 15) * 4 + 13, 1)) & 4) != 0;
}
my @ends = (tun($near), tun($far));
$| = 1;
print "ready\n";

my ($delay, $loss, $silent, $noreset) = (0, 0, 0, 0);
my @queue; # [due, end, packet]; the delay is the same for all, so the order is that of arrival
my $commands = '';
while (1) {
  my $readable = '';
  vec($readable, fileno($_), 1) = 1 for (@ends, *STDIN);
  my $wait = @queue ? $queue[0][0] - time() : undef;
  select($readable, undef, undef, defined $wait && $wait < 0 ? 0 : $wait);
  my $now = time();
  while (@queue && $queue[0][0] <= $now) {
    my (undef, $end, $packet) = @{shift @queue};
    syswrite($ends[$end], $packet);
  }
  for my $end (0, 1) {
    next unless vec($readable, fileno($ends[$end]), 1);
    sysread($ends[$end], my $packet, 65536) or next;
    next if $silent & 1 << $end || $noreset & 1 << $end && is_reset($packet) || @queue > 100000 || rand(100) < $loss;
    push @queue, [$now + $delay, 1 - $end, $packet];
  }
  next unless vec($readable, fileno(STDIN), 1);
  sysread(STDIN, $commands, 4096, length $commands) or exit 0;
  while ($commands =~ s/^(\w+) ([\d.]+)\n//) {
    $delay = $2 / 1000 if $1 eq 'delay';
    $loss = $2 if $1 eq 'loss';
    $silent = $2 if $1 eq 'silence';
    $noreset = $2 if $1 eq 'noreset';
  }
}
