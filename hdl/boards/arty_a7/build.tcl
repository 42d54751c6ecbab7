# Vivado, without a project: vivado -mode batch -source build.tcl, in the folder that holds this file and design.tcl.
#
# Writes the bitstream and two reports; a design that does not meet its timing is an error, and no bitstream is written.
cd [file dirname [file normalize [info script]]]
source design.tcl

read_verilog -sv $sources
read_xdc $constraints

set generics {}
foreach parameter $parameters { lappend generics -generic $parameter }
foreach define $defines { lappend generics -verilog_define $define }
synth_design -top $top -part [lindex $device 0] -include_dirs $include_dirs {*}$generics
opt_design
place_design
phys_opt_design
route_design

report_utilization -file utilization.rpt
report_timing_summary -file timing.rpt
foreach kind {-setup -hold} {
    set slack [get_property SLACK [get_timing_paths -max_paths 1 -nworst 1 $kind]]
    puts "qtwin: slack $kind: $slack ns"
    if {$slack eq "" || $slack < 0} {
        error "qtwin: the decoder does not reach $clock_mhz MHz ($kind slack '$slack' ns, see timing.rpt): no bitstream is\
            written; build for a slower clock (--clock) or choose a smaller decoder"
    }
}
write_bitstream -force $name.bit
puts "qtwin: $name.bit"
