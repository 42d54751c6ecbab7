// Constants of the qds1 stream: message kinds, and the tokens that keep responses in order.
/* verilator lint_off UNUSEDPARAM */  // not every module needs every constant
package qds1_pkg;
  localparam logic [7:0] KindSyndrome = 8'h01;
  localparam logic [7:0] KindEvents = 8'h02;
  localparam logic [7:0] KindMeasData = 8'h03;
  localparam logic [7:0] KindEventsLast = 8'h04;
  localparam logic [7:0] KindWrite = 8'h10;
  localparam logic [7:0] KindRead = 8'h11;
  localparam logic [7:0] KindCorrection = 8'h81;
  localparam logic [7:0] KindFrame = 8'h82;
  localparam logic [7:0] KindData = 8'h91;
  localparam logic [7:0] KindFault = 8'hee;

  // A token is one response to come: {type, tag, argument, word}. The front end queues them, the response stage
  // works them off one by one, so that faults and register reads stay in order with the corrections.
  //   shot:  word = cycle in which the shot's last word was accepted; waits for the core's result
  //   fault: argument = fault code, word = offending word
  //   data:  argument = register address, word = value
  localparam logic [1:0] TokenShot = 2'd0;
  localparam logic [1:0] TokenFault = 2'd1;
  localparam logic [1:0] TokenData = 2'd2;
  localparam int TokenBits = 2 + 16 + 12 + 32;
endpackage
/* verilator lint_on UNUSEDPARAM */
