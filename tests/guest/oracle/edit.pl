# Edits a file as the reference of `edit` says: FILE, then any number of `-d PATTERN`, `-r PATTERN REPLACEMENT`,
# `-e LINE`. In a replacement, \x01N\x01 stands for the group N.
use strict;
use warnings;
my $file = shift @ARGV;
my (@delete, @replace, $ensure);
while (@ARGV) {
    my $what = shift @ARGV;
    if ($what eq '-d') { push @delete, shift @ARGV }
    elsif ($what eq '-r') { push @replace, [splice @ARGV, 0, 2] }
    else { $ensure = shift @ARGV }
}
open my $in, '<:raw', $file or die "$file: $!\n";
my $text = do { local $/; <$in> } // '';
my $before = $text;
utf8::decode($text) or die "$file is not UTF-8\n";
my ($edited, $there) = ('', 0);
while ($text =~ /\G([^\n]*?)(\r*\n|\r*\z)/g) {
    my ($line, $end) = ($1, $2);
    last if $line eq '' && $end eq '';
    next if grep { $line =~ /$_/ } @delete;
    for my $replace (@replace) {
        my ($pattern, $with) = @$replace;
        $line =~ s{$pattern}{ my @groups = @{^CAPTURE}; my $new = $with; $new =~ s/\x01(\d)\x01/$groups[$1 - 1]/g; $new }ge;
    }
    $edited .= $line . $end;
    $there = 1 if defined $ensure && $line eq $ensure;
}
if (defined $ensure && !$there) {
    $edited .= "\n" if $edited ne '' && $edited !~ /\n\z/;
    $edited .= "$ensure\n";
}
utf8::encode($edited);
exit 0 if $edited eq $before;
open my $out, '>:raw', $file or die "$file: $!\n";
print {$out} $edited;
close $out or die "$file: $!\n";
