// Generated from config/registers.rdl: do not edit.
/* verilator lint_off UNUSEDPARAM */  // not every module needs every constant
package registers_pkg;
  localparam logic [7:0] FaultCodeNone = 8'd0;
  localparam logic [7:0] FaultCodeUnknownKind = 8'd1;
  localparam logic [7:0] FaultCodeWrongLength = 8'd2;
  localparam logic [7:0] FaultCodeIllegalNow = 8'd3;
  localparam logic [7:0] FaultCodeDisabled = 8'd4;
  localparam logic [7:0] FaultCodeAddress = 8'd5;
  localparam logic [7:0] InputModeRaw = 8'd0;
  localparam logic [7:0] InputModeEvents = 8'd1;
  localparam int HistogramWords = 32;
  localparam int TableWords = 512;
  localparam logic [31:0] AddressLinkSession = 32'h0c0;
  localparam logic [31:0] AddressLinkControl = 32'h0c4;
  localparam logic [31:0] AddressLinkFrameWords = 32'h0c8;
  localparam logic [31:0] AddressLinkFrames = 32'h0cc;
  localparam logic [31:0] AddressLinkBadCrc = 32'h0d0;
  localparam logic [31:0] AddressLinkBadFrames = 32'h0d4;
  localparam logic [31:0] AddressLinkOverruns = 32'h0d8;
  localparam logic [31:0] AddressLinkFramingErrors = 32'h0dc;
endpackage
/* verilator lint_on UNUSEDPARAM */
