# Builds the PYNQ overlay of the decoder beside this script: decoder.bit and decoder.hwh.
#
#     vivado -mode batch -source build.tcl
#
# settings.tcl, written with the project, holds everything that depends on the decoder and on the board. The steps: package the RTL as
# an IP with its register map; a block design of processing system, AXI DMA in simple mode and decoder; a bitstream.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
set work [file join $here build]
set ip_folder [file join $work ip]

# ---- the decoder as an IP

proc package_decoder {} {
    global here work ip_folder part top vlnv
    global systemverilog_sources verilog_sources headers include_dirs data_files
    create_project -force package_decoder [file join $work package] -part $part
    foreach {kind files} [list \
        SystemVerilog $systemverilog_sources \
        Verilog $verilog_sources \
        {Verilog Header} $headers \
        {Memory File} $data_files] {
        foreach file $files {
            set path [file join $here $file]
            add_files -norecurse $path
            set_property file_type $kind [get_files $path]
        }
    }
    if {[llength $include_dirs] > 0} {
        set_property include_dirs [lmap folder $include_dirs {file join $here $folder}] [current_fileset]
    }
    set_property top $top [current_fileset]
    update_compile_order -fileset sources_1
    lassign [split $vlnv :] vendor library name version
    ipx::package_project -root_dir $ip_folder -vendor $vendor -library $library -taxonomy /UserIP \
        -import_files -set_current true -force
    set core [ipx::current_core]
    set_property name $name $core
    set_property version $version $core
    set_property display_name "qtwin decoder" $core
    set_property description "qds1 decoder with AXI4-Stream and AXI4-Lite" $core
    foreach bus {s_axis m_axis s_axil} {
        ipx::associate_bus_interfaces -busif $bus -clock clk_i $core
    }
    describe_registers $core
    ipx::update_checksums $core
    ipx::check_integrity $core
    ipx::save_core $core
    close_project
}

# The register map goes from here into the .hwh, and from there into PYNQ's register_map.
proc describe_registers {core} {
    global registers decoder_bytes
    set map [ipx::get_memory_maps s_axil -of_objects $core]
    set block [ipx::get_address_blocks -of_objects $map]
    set_property range [expr {$decoder_bytes}] $block
    foreach register $registers {
        lassign $register name offset access fields
        set object [ipx::add_register $name $block]
        set_property address_offset $offset $object
        set_property size 32 $object
        set_property access $access $object
        foreach field $fields {
            lassign $field field_name low width field_access
            set part_of [ipx::add_field $field_name $object]
            set_property bit_offset $low $part_of
            set_property bit_width $width $part_of
            set_property access $field_access $part_of
        }
    }
}

# ---- the block design

proc create_design {} {
    global work ip_folder part board_part overlay
    create_project -force $overlay [file join $work project] -part $part
    # With the board's files installed, DDR and pins are preset. Without them PYNQ's boot image has set both already.
    set boards [get_board_parts -quiet -latest_file_version $board_part]
    if {[llength $boards] > 0} {
        set_property board_part [lindex $boards end] [current_project]
    }
    set_property ip_repo_paths [list $ip_folder] [current_project]
    update_ip_catalog
    create_bd_design $overlay
    create_cells [llength $boards]
    connect_clocks_and_resets
    connect_buses
    assign_addresses
    validate_bd_design
    save_bd_design
}

# The version of a block in this Vivado's catalogue, where the settings name none.
proc in_catalogue {vlnv} {
    global part
    if {[llength [split $vlnv :]] == 4} {
        return $vlnv
    }
    set found [lsort -dictionary [get_ipdefs -all $vlnv:*]]
    if {[llength $found] == 0} {
        error "this Vivado has no $vlnv; install it with the devices of which $part is one"
    }
    return [lindex $found end]
}

proc create_cells {has_board} {
    global vlnv decoder_cell dma_vlnv dma_cell dma_length_bits dma_bits stream_bits
    global ps_vlnv ps_kind ps_cell ps_automation ps_settings
    set ps [create_bd_cell -type ip -vlnv [in_catalogue $ps_vlnv] $ps_cell]
    apply_bd_automation -rule xilinx.com:bd_rule:$ps_kind -config [concat \
        $ps_automation apply_board_preset [expr {$has_board ? 1 : 0}]] $ps
    set_property -dict $ps_settings $ps
    check_clock $ps
    create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset_0
    set dma [create_bd_cell -type ip -vlnv $dma_vlnv $dma_cell]
    set_property -dict [list \
        CONFIG.c_include_sg 0 \
        CONFIG.c_sg_length_width $dma_length_bits \
        CONFIG.c_include_mm2s_dre 0 \
        CONFIG.c_include_s2mm_dre 0 \
        CONFIG.c_addr_width 32 \
        CONFIG.c_m_axi_mm2s_data_width $dma_bits \
        CONFIG.c_m_axis_mm2s_tdata_width $stream_bits \
        CONFIG.c_m_axi_s2mm_data_width $dma_bits] $dma
    create_bd_cell -type ip -vlnv $vlnv $decoder_cell
    set control [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 control]
    set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI 2] $control
    set memory [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 memory]
    set_property -dict [list CONFIG.NUM_SI 2 CONFIG.NUM_MI 1] $memory
}

# Latencies in ns are computed with the manifest's clock: a clock that the PLL cannot make is refused, not rounded.
proc check_clock {ps} {
    global clock_mhz clock_tolerance ps_actual_clock
    set actual [get_property CONFIG.$ps_actual_clock $ps]
    if {abs($actual - $clock_mhz) > $clock_tolerance * $clock_mhz} {
        error "the processing system makes $actual MHz, not the $clock_mhz MHz of the decoder's manifest;\
            compile the decoder with --clock-mhz $actual"
    }
}

proc connect_clocks_and_resets {} {
    global decoder_cell dma_cell ps_cell ps_clock ps_reset ps_control_clock ps_memory_clock
    set clocked [list $ps_cell/$ps_control_clock $ps_cell/$ps_memory_clock reset_0/slowest_sync_clk \
        control/aclk memory/aclk $decoder_cell/clk_i]
    foreach pin {s_axi_lite_aclk m_axi_mm2s_aclk m_axi_s2mm_aclk} {
        lappend clocked $dma_cell/$pin
    }
    foreach pin $clocked {
        connect_bd_net [get_bd_pins $ps_cell/$ps_clock] [get_bd_pins $pin]
    }
    connect_bd_net [get_bd_pins $ps_cell/$ps_reset] [get_bd_pins reset_0/ext_reset_in]
    foreach pin [list $decoder_cell/rst_ni $dma_cell/axi_resetn control/aresetn memory/aresetn] {
        connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins $pin]
    }
}

proc connect_buses {} {
    global decoder_cell dma_cell ps_cell ps_control_bus ps_memory_bus
    foreach {from to} [list \
        $ps_cell/$ps_control_bus control/S00_AXI \
        control/M00_AXI $dma_cell/S_AXI_LITE \
        control/M01_AXI $decoder_cell/s_axil \
        $dma_cell/M_AXI_MM2S memory/S00_AXI \
        $dma_cell/M_AXI_S2MM memory/S01_AXI \
        memory/M00_AXI $ps_cell/$ps_memory_bus \
        $dma_cell/M_AXIS_MM2S $decoder_cell/s_axis \
        $decoder_cell/m_axis $dma_cell/S_AXIS_S2MM] {
        connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
    }
}

proc assign_addresses {} {
    global decoder_cell decoder_base decoder_bytes dma_cell dma_base dma_bytes ps_cell ps_memory_segment
    set space [get_bd_addr_spaces $ps_cell/Data]
    assign_bd_address -offset $dma_base -range $dma_bytes -target_address_space $space \
        [get_bd_addr_segs $dma_cell/S_AXI_LITE/Reg]
    assign_bd_address -offset $decoder_base -range $decoder_bytes -target_address_space $space \
        [get_bd_addr_segs $decoder_cell/s_axil/*]
    foreach side {Data_MM2S Data_S2MM} {
        assign_bd_address -target_address_space [get_bd_addr_spaces $dma_cell/$side] \
            [get_bd_addr_segs $ps_cell/$ps_memory_segment]
    }
}

# ---- the bitstream

proc build_bitstream {} {
    global overlay
    set design [get_files $overlay.bd]
    add_files -norecurse [make_wrapper -files $design -top]
    set_property top ${overlay}_wrapper [current_fileset]
    update_compile_order -fileset sources_1
    launch_runs impl_1 -to_step write_bitstream -jobs 4
    wait_on_run impl_1
    if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
        error "implementation stopped: [get_property STATUS [get_runs impl_1]]; its log is in\
            [get_property DIRECTORY [get_runs impl_1]]"
    }
    set slack [get_property STATS.WNS [get_runs impl_1]]
    if {$slack < 0} {
        error "timing is not met: worst slack $slack ns; compile the decoder with a lower --clock-mhz"
    }
    puts "worst slack: $slack ns"
}

# PYNQ takes both files by the same name. The bitstream goes last: where it is, the pair is whole.
proc collect_overlay {} {
    global here work overlay clock_mhz
    set project [get_property DIRECTORY [current_project]]
    set bit [file join [get_property DIRECTORY [get_runs impl_1]] ${overlay}_wrapper.bit]
    set found [glob -nocomplain -directory $project -- \
        $overlay.gen/sources_1/bd/$overlay/hw_handoff/$overlay.hwh \
        $overlay.srcs/sources_1/bd/$overlay/hw_handoff/$overlay.hwh]
    if {[llength $found] == 0} {
        error "Vivado wrote no hardware handoff ($overlay.hwh) below $project"
    }
    write_handoff [lindex $found 0] [file join $here $overlay.hwh] $clock_mhz
    file copy -force $bit [file join $here $overlay.bit]
    puts "overlay: [file join $here $overlay.bit]"
}

# pynq 4.0.0 looks for the achieved clock under the name that it has on UltraScale+, and cannot do without it: on a
# Zynq-7000 the handoff has no such parameter, so it is added to the processing system's.
proc write_handoff {from to clock_mhz} {
    global ps_kind clock_parameter
    set file [open $from r]
    set text [read $file]
    close $file
    set added "<PARAMETER NAME=\"$clock_parameter\" VALUE=\"$clock_mhz\"/>"
    set start {}
    append start {MODTYPE="} $ps_kind {".*?<PARAMETERS>}
    if {![regexp -indices $start $text place]} {
        error "$from names no $ps_kind with parameters"
    }
    if {[string first "\"$clock_parameter\"" $text] >= 0} {
        set added ""
    }
    set end [lindex $place 1]
    set file [open $to w]
    puts -nonewline $file [string range $text 0 $end]$added[string range $text [expr {$end + 1}] end]
    close $file
}

package_decoder
create_design
build_bitstream
collect_overlay
