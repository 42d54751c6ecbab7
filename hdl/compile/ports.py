"""The ports between the front end and any decoder core."""

CORE_PORTS = """\
    input  logic                                   clk_i,
    input  logic                                   rst_ni,
    input  logic                                   layer_valid_i,
    output logic                                   layer_ready_o,
    input  logic [decoder_pkg::LayerWidth-1:0]     layer_events_i,
    input  logic                                   layer_last_i,
    input  logic                                   abort_i,
    output logic                                   result_valid_o,
    input  logic                                   result_ready_i,
    output logic [decoder_pkg::NumObservables-1:0] result_flips_o,
    output logic [7:0]                             result_status_o,
    output logic                                   result_frame_o,
    output logic [31:0]                            result_round_o,
    input  logic                                   cfg_we_i,
    input  logic [31:0]                            cfg_addr_i,
    input  logic [31:0]                            cfg_wdata_i,
    output logic [31:0]                            cfg_rdata_o"""
